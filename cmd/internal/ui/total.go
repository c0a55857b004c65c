package ui

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// Total is what became of many accounts.
type Total struct {
	Command  string
	Duration time.Duration
	ExitCode int
	Accounts []Summary
}

// sum adds up what all accounts did.
func (t Total) sum() (sum Summary, done int) {
	for _, one := range t.Accounts {
		if one.ExitCode == 0 {
			done++
		}
		sum.Downloaded += one.Downloaded
		sum.Uploaded += one.Uploaded
		sum.Failed += one.Failed
		sum.Traffic.OctetsDown += one.Traffic.OctetsDown
		sum.Traffic.OctetsUp += one.Traffic.OctetsUp
	}
	return sum, done
}

// maxNamed is how many accounts that failed are named in a line.
const maxNamed = 10

// String is the total in one line for people.
func (t Total) String() string {
	sum, done := t.sum()
	text := fmt.Sprintf("%s: %s done", Plural(len(t.Accounts), "account", "accounts"), humanize.Comma(int64(done)))
	if rest := len(t.Accounts) - done; rest > 0 {
		var names []string
		for _, one := range t.Accounts {
			if one.ExitCode != 0 {
				names = append(names, fmt.Sprintf("%s %d", Escape(one.Account), one.ExitCode))
			}
		}
		if more := len(names) - maxNamed; more > 0 {
			names = append(names[:maxNamed], fmt.Sprintf("%d more", more))
		}
		text += fmt.Sprintf(", %s not (exit codes: %s)", humanize.Comma(int64(rest)), strings.Join(names, ", "))
	}
	return fmt.Sprintf("%s; %s downloaded, %s uploaded (%s down, %s up, %s)", text,
		humanize.Comma(int64(sum.Downloaded)), humanize.Comma(int64(sum.Uploaded)), humanize.IBytes(uint64(max(0, sum.Traffic.OctetsDown))),
		humanize.IBytes(uint64(max(0, sum.Traffic.OctetsUp))), t.Duration.Round(10*time.Millisecond))
}

type totalObject struct {
	Type          string          `json:"type"`
	SchemaVersion int             `json:"schema_version"`
	Command       string          `json:"command"`
	Accounts      int             `json:"accounts"`
	Done          int             `json:"done"`
	NotDone       int             `json:"not_done"`
	Downloaded    int             `json:"downloaded"`
	Uploaded      int             `json:"uploaded"`
	Failed        int             `json:"failed"`
	OctetsDown    int64           `json:"octets_down"`
	OctetsUp      int64           `json:"octets_up"`
	DurationMS    int64           `json:"duration_ms"`
	ExitCode      int             `json:"exit_code"`
	Outcomes      []outcomeObject `json:"outcomes,omitempty"`
}

type outcomeObject struct {
	Account    string `json:"account"`
	Command    string `json:"command"`
	ExitCode   int    `json:"exit_code"`
	Error      string `json:"error,omitempty"`
	Downloaded int    `json:"downloaded"`
	Uploaded   int    `json:"uploaded"`
	Failed     int    `json:"failed"`
	Guarded    int    `json:"guarded"`
	OctetsDown int64  `json:"octets_down"`
	OctetsUp   int64  `json:"octets_up"`
	DurationMS int64  `json:"duration_ms"`
}

func outcomeOf(one Summary) outcomeObject {
	return outcomeObject{
		Account: one.Account, Command: one.Command, ExitCode: one.ExitCode, Error: one.Trouble,
		Downloaded: one.Downloaded, Uploaded: one.Uploaded, Failed: one.Failed, Guarded: one.Guarded,
		OctetsDown: one.Traffic.OctetsDown, OctetsUp: one.Traffic.OctetsUp, DurationMS: one.Duration.Milliseconds(),
	}
}

// Object is the total as the JSON object that ends a run over many accounts.
func (t Total) Object() any { return t.object() }

func (t Total) object() totalObject {
	sum, done := t.sum()
	return totalObject{
		Type: "total", SchemaVersion: SchemaVersion, Command: t.Command, Accounts: len(t.Accounts), Done: done, NotDone: len(t.Accounts) - done,
		Downloaded: sum.Downloaded, Uploaded: sum.Uploaded, Failed: sum.Failed, OctetsDown: sum.Traffic.OctetsDown,
		OctetsUp: sum.Traffic.OctetsUp, DurationMS: t.Duration.Milliseconds(), ExitCode: t.ExitCode,
	}
}

// WriteJSON writes the total with each account's outcome, as one document.
func (t Total) WriteJSON(w io.Writer) error {
	object := t.object()
	object.Outcomes = make([]outcomeObject, len(t.Accounts))
	for i, one := range t.Accounts {
		object.Outcomes[i] = outcomeOf(one)
	}
	text, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		// Line ends are the document's own: those within a string are escaped.
		if _, err := io.WriteString(w, escapeJSON(strings.TrimSuffix(line, "\n"))+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// columns of the CSV.
var columns = []string{
	"account", "command", "exit_code", "downloaded", "uploaded", "failed", "guarded", "octets_down", "octets_up", "duration_ms", "error",
}

// WriteCSV writes a row for each account.
func (t Total) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write(columns) // Flush keeps the error
	for _, one := range t.Accounts {
		o := outcomeOf(one)
		_ = out.Write([]string{
			harmless(o.Account), o.Command, strconv.Itoa(o.ExitCode), strconv.Itoa(o.Downloaded), strconv.Itoa(o.Uploaded), strconv.Itoa(o.Failed),
			strconv.Itoa(o.Guarded), strconv.FormatInt(o.OctetsDown, 10), strconv.FormatInt(o.OctetsUp, 10), strconv.FormatInt(o.DurationMS, 10),
			harmless(Escape(o.Error)),
		})
	}
	out.Flush()
	return out.Error()
}

// harmless keeps a spreadsheet from taking a server's words for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// WriteTable writes a table for people.
func (t Total) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tCOMMAND\tEXIT\tDOWNLOADED\tUPLOADED\tFAILED\tTIME\tERROR")
	for _, one := range t.Accounts {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", Escape(one.Account), one.Command, one.ExitCode,
			humanize.Comma(int64(one.Downloaded)), humanize.Comma(int64(one.Uploaded)), humanize.Comma(int64(one.Failed)),
			one.Duration.Round(10*time.Millisecond), Escape(one.Trouble))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, t.String())
	return err
}
