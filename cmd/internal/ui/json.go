package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// SchemaVersion of the JSON objects. It grows when a field changes its
// meaning, not when one is added.
const SchemaVersion = 1

// JSON writes one object a line about one account's run. It implements
// syncer.Reporter.
type JSON struct {
	account string
	mu      sync.Mutex
	to      io.Writer
}

// NewJSON writes to w.
func NewJSON(w io.Writer, account string) *JSON {
	return &JSON{account: account, to: w}
}

type actionObject struct {
	Type    string        `json:"type"`
	Account string        `json:"account"`
	Action  plan.Kind     `json:"action"`
	Mailbox mailbox.Name  `json:"mailbox"`
	To      mailbox.Name  `json:"to,omitempty"`
	UID     mailbox.UID   `json:"uid"`
	Key     mailbox.Key   `json:"key"`
	Size    int64         `json:"size"`
	Flags   []string      `json:"flags"`
	Rule    plan.Rule     `json:"rule,omitempty"`
	Result  syncer.Result `json:"result"`
	Error   string        `json:"error,omitempty"`
}

// Action writes an action object.
func (j *JSON) Action(action plan.Action, result syncer.Result, err error) {
	j.write(actionObject{
		Type: "action", Account: j.account, Action: action.Kind, Mailbox: action.Mailbox, To: action.To,
		UID: action.UID, Key: action.Key, Size: action.Size, Flags: action.Flags.Names(), Rule: action.Rule,
		Result: result, Error: errorText(err),
	})
}

type guardObject struct {
	Type      string           `json:"type"`
	Account   string           `json:"account"`
	Mailbox   mailbox.Name     `json:"mailbox"`
	Reason    plan.GuardReason `json:"reason"`
	Side      string           `json:"side,omitempty"`
	Deletions int              `json:"deletions"`
	Known     int              `json:"known"`
	Cause     string           `json:"cause,omitempty"`
}

// Guard writes a guard object.
func (j *JSON) Guard(r plan.Refusal) {
	cause := ""
	if r.TakenAway {
		cause = "another-client"
	}
	j.write(guardObject{
		Cause: cause, Type: "guard", Account: j.account, Mailbox: r.Mailbox, Reason: r.Reason, Side: r.Side,
		Deletions: r.Deletions, Known: r.Known,
	})
}

type messageObject struct {
	Type    string       `json:"type"`
	Account string       `json:"account"`
	Mailbox mailbox.Name `json:"mailbox,omitempty"`
	Error   string       `json:"error,omitempty"`
	Text    string       `json:"text,omitempty"`
}

// Trouble writes an error object.
func (j *JSON) Trouble(name mailbox.Name, err error) {
	j.write(messageObject{Type: "error", Account: j.account, Mailbox: name, Error: errorText(err)})
}

// Notice writes a notice object.
func (j *JSON) Notice(name mailbox.Name, text string) {
	j.write(messageObject{Type: "notice", Account: j.account, Mailbox: name, Text: text})
}

// Progress writes nothing.
func (j *JSON) Progress(syncer.Progress) {}

type summaryObject struct {
	Type             string `json:"type"`
	SchemaVersion    int    `json:"schema_version"`
	Account          string `json:"account"`
	Command          string `json:"command"`
	DryRun           bool   `json:"dry_run"`
	Downloaded       int    `json:"downloaded"`
	Uploaded         int    `json:"uploaded"`
	FlagsLocal       int    `json:"flags_local"`
	FlagsRemote      int    `json:"flags_remote"`
	RemovedLocal     int    `json:"removed_local"`
	ExpungedRemote   int    `json:"expunged_remote"`
	Moved            int    `json:"moved"`
	Conflicts        int    `json:"conflicts"`
	Failed           int    `json:"failed"`
	Stale            int    `json:"stale"`
	Guarded          int    `json:"guarded"`
	OctetsDown       int64  `json:"octets_down"`
	OctetsUp         int64  `json:"octets_up"`
	RoundTrips       int64  `json:"round_trips"`
	Mailboxes        int    `json:"mailboxes"`
	Selected         int64  `json:"mailboxes_selected"`
	MailboxesCreated int    `json:"mailboxes_created"`
	MailboxesDeleted int    `json:"mailboxes_deleted"`
	MailboxesRenamed int    `json:"mailboxes_renamed"`
	DurationMS       int64  `json:"duration_ms"`
	ExitCode         int    `json:"exit_code"`
	Error            string `json:"error,omitempty"`
}

// Summary writes the summary object.
func (j *JSON) Summary(s Summary) {
	j.write(summaryObject{
		Type: "summary", SchemaVersion: SchemaVersion, Account: s.Account, Command: s.Command, DryRun: s.DryRun,
		Downloaded: s.Downloaded, Uploaded: s.Uploaded, FlagsLocal: s.FlagsLocal, FlagsRemote: s.FlagsRemote,
		RemovedLocal: s.RemovedLocal, ExpungedRemote: s.ExpungedRemote, Moved: s.Moved, Conflicts: s.Conflicts,
		Failed: s.Failed, Stale: s.Stale, Guarded: s.Guarded,
		OctetsDown: s.Traffic.OctetsDown, OctetsUp: s.Traffic.OctetsUp, RoundTrips: s.Traffic.RoundTrips,
		Mailboxes: s.Mailboxes, Selected: s.Traffic.Selected, MailboxesCreated: s.MailboxesCreated,
		MailboxesDeleted: s.MailboxesDeleted, MailboxesRenamed: s.MailboxesRenamed,
		DurationMS: s.Duration.Milliseconds(), ExitCode: s.ExitCode, Error: s.Err,
	})
}

func (j *JSON) write(object any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	WriteJSON(j.to, object)
}

// WriteJSON writes an object on a line of its own. What a terminal might obey,
// C1 codes and bidirectional overrides for instance, is written as \u009b.
func WriteJSON(w io.Writer, object any) {
	line := encode(object)
	// Scripts look at how a line begins: of a map, too, the type comes first.
	if fields, ok := object.(map[string]any); ok && len(fields) > 1 {
		rest := maps.Clone(fields)
		delete(rest, "type")
		line = strings.TrimSuffix(encode(map[string]any{"type": fields["type"]}), "}") + "," + strings.TrimPrefix(encode(rest), "{")
	}
	// A reader that went away is noticed by whoever started us, not here.
	io.WriteString(w, escapeJSON(line)+"\n")
}

func encode(object any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return "{}" // what is written here can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// escapeJSON works on encoded JSON, where unsafe characters are within strings.
func escapeJSON(line string) string {
	if !strings.ContainsFunc(line, isUnsafe) {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		switch {
		case !isUnsafe(r) || r == utf8.RuneError:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
