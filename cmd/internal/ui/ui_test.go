package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

func TestEscapeMakesServerTextHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"Entwürfe/Größe ✓":  "Entwürfe/Größe ✓",
		"a\x1b[2Jb":         `a\x1b[2Jb`,
		"a\r\nb\tc\x00\x7f": `a\x0d\x0ab\x09c\x00\x7f`,
		"\u009b31m":         `\x9b31m`,
		"abc\u202egnp.exe":  `abc\u202egnp.exe`,
		"\u2066x\u2069":     `\u2066x\u2069`,
		"a\u200bb\u00adc":   `a\u200bb\xadc`,
		"\u2028\U000e0001":  `\u2028\U000e0001`,
		"ok\xff\xc3(":       `ok\xff\xc3(`,
		"":                  "",
	} {
		if got := Escape(text); got != want {
			t.Errorf("Escape(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzEscapeLeavesNothingUnsafe(f *testing.F) {
	f.Add("a\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		escaped := Escape(text)
		if !utf8.ValidString(escaped) || strings.ContainsFunc(escaped, isUnsafe) {
			t.Fatalf("Escape(%q) = %q", text, escaped)
		}
		var b bytes.Buffer
		WriteJSON(&b, map[string]string{"v": text})
		line := strings.TrimSuffix(b.String(), "\n")
		var back map[string]string
		if err := json.Unmarshal([]byte(line), &back); err != nil || back["v"] != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Fatalf("JSON of %q is %q: %v", text, line, err)
		}
		for _, r := range line {
			if isUnsafe(r) && r != utf8.RuneError {
				t.Fatalf("JSON of %q has %U: %q", text, r, line)
			}
		}
	})
}

// object decodes the one line that fn makes a JSON write.
func object(t *testing.T, fn func(*JSON)) map[string]any {
	t.Helper()
	var b bytes.Buffer
	fn(NewJSON(&b, "home"))
	if strings.Count(b.String(), "\n") != 1 {
		t.Fatalf("not one line: %q", b.String())
	}
	var fields map[string]any
	if err := json.Unmarshal(b.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestJSONActionHasTheFieldsThatScriptsReadTo(t *testing.T) {
	action := plan.Action{Kind: plan.Download, Mailbox: "INBOX", UID: 17, Key: "k", Size: 4217, Flags: mailbox.NewFlags(`\Seen`)}
	fields := object(t, func(j *JSON) { j.Action(action, syncer.Done, nil) })
	for key, want := range map[string]any{
		"type": "action", "account": "home", "action": "download", "mailbox": "INBOX", "uid": 17.0, "key": "k", "size": 4217.0, "result": "done",
	} {
		if fields[key] != want {
			t.Errorf("%s = %v, want %v", key, fields[key], want)
		}
	}
	if flags, ok := fields["flags"].([]any); !ok || len(flags) != 1 || flags[0] != `\Seen` {
		t.Errorf("flags = %v", fields["flags"])
	}
	bare := object(t, func(j *JSON) { j.Action(plan.Action{Kind: plan.Upload, Mailbox: "A"}, syncer.Failed, errors.New("no")) })
	if flags, ok := bare["flags"].([]any); !ok || len(flags) != 0 {
		t.Errorf("flags without any = %v, want an empty array", bare["flags"])
	}
	if bare["key"] != "" || bare["uid"] != 0.0 || bare["error"] != "no" || bare["result"] != "failed" {
		t.Errorf("%v", bare)
	}
}

func TestJSONGuardAndSummaryHaveTheFieldsThatScriptsRely(t *testing.T) {
	guard := object(t, func(j *JSON) {
		j.Guard(plan.Refusal{Mailbox: "INBOX", Reason: plan.Emptied, Side: "server", Deletions: 9, Known: 10})
	})
	for key, want := range map[string]any{"type": "guard", "account": "home", "mailbox": "INBOX", "reason": "emptied", "deletions": 9.0, "known": 10.0} {
		if guard[key] != want {
			t.Errorf("%s = %v, want %v", key, guard[key], want)
		}
	}
	summary := object(t, func(j *JSON) {
		j.Summary(Summary{Account: "home", Command: "sync", ExitCode: 14, Duration: 1500 * time.Millisecond})
	})
	for _, key := range strings.Fields("downloaded uploaded flags_local flags_remote removed_local expunged_remote moved conflicts failed " +
		"guarded octets_down octets_up round_trips mailboxes mailboxes_selected") {
		if summary[key] != 0.0 {
			t.Errorf("%s = %v, want 0", key, summary[key])
		}
	}
	if summary["schema_version"] != 1.0 || summary["exit_code"] != 14.0 || summary["duration_ms"] != 1500.0 || summary["command"] != "sync" {
		t.Errorf("%v", summary)
	}
}

func TestSuccessIsSilentWithoutTerminal(t *testing.T) {
	var out, err bytes.Buffer
	text := Text{Console: NewConsole(&out, &err), Account: "home"}
	text.Action(plan.Action{Kind: plan.Download, Mailbox: "INBOX"}, syncer.Done, nil)
	text.Notice("INBOX", "something")
	text.Progress(syncer.Progress{TotalOctets: 9})
	text.Summary(Summary{Account: "home", Command: "sync"})
	if out.Len()+err.Len() > 0 {
		t.Errorf("stdout %q, stderr %q", &out, &err)
	}
	text.DryRun = true
	text.Action(plan.Action{Kind: plan.Download, Mailbox: "A\x1b", UID: 3, Size: 2048}, syncer.Planned, nil)
	text.Summary(Summary{Summary: syncer.Summary{Downloaded: 1}, Account: "home", Command: "sync", DryRun: true})
	if !strings.Contains(out.String(), `A\x1b  uid 3  2.0 KiB`) || !strings.Contains(out.String(), "dry run: 1 downloaded") {
		t.Errorf("dry run: %q", &out)
	}
}

func TestProgressStandsAloneAndGivesWay(t *testing.T) {
	var out, err bytes.Buffer
	console := NewConsole(&out, &err)
	console.errIsTerm = true
	console.Progress("home", syncer.Progress{Phase: "transferring", Octets: 5, TotalOctets: 10, Messages: 1, TotalMessages: 2, Workers: []string{"INBOX\x1b", ""}})
	drawn := err.String()
	if !strings.Contains(drawn, "home 1/2 messages") || !strings.Contains(drawn, `1 INBOX\x1b`) || !strings.Contains(drawn, "2 idle") {
		t.Errorf("progress: %q", drawn)
	}
	err.Reset()
	console.Error("trouble\nmore", "do this")
	if want := "\r\x1b[Jmailferry: error: trouble\n    more\nmailferry: hint: do this\n"; err.String() != want {
		t.Errorf("message over progress: %q, want %q", err.String(), want)
	}
	if out.Len() > 0 {
		t.Errorf("stdout: %q", &out)
	}
}

func TestLogEscapesWhatServersSay(t *testing.T) {
	var b bytes.Buffer
	NewLog(&b, "text", 0, false, false).Warn("odd", "mailbox", mailbox.Name("A\x1b[2J"), "error", errors.New("NO \u202e"), "text", "\x07")
	if strings.ContainsFunc(strings.TrimSuffix(b.String(), "\n"), isUnsafe) {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	for _, color := range []bool{false, true} {
		NewLog(&b, "text", 0, color, false).Warn("odd", "text", `\x1b]0;title`, "error", errors.New("NO \x1b]0; title"))
		if strings.Contains(b.String(), "\x1b]") {
			t.Errorf("colours %v: %q", color, b.String())
		}
	}
	b.Reset()
	NewLog(&b, "json", 1, false, false).Info("odd", "mailbox", "A\x1b\x7f\u009b\u202e")
	if !json.Valid(b.Bytes()) || strings.ContainsFunc(strings.TrimSuffix(b.String(), "\n"), isUnsafe) {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	NewLog(&b, "logfmt", 0, false, false).Warn("odd", "mailbox", mailbox.Name("A\x1b[2J"), "text", "\u202e two")
	if strings.ContainsFunc(strings.TrimSuffix(b.String(), "\n"), isUnsafe) || !strings.Contains(b.String(), " level=WARN msg=odd mailbox=") {
		t.Errorf("%q", b.String())
	}
}

func TestTheJournalGetsPrioritiesOnEveryLine(t *testing.T) {
	var b bytes.Buffer
	c := NewConsole(io.Discard, &b)
	c.SetJournal(true)
	c.Error("home: no\nmore", "try\nagain")
	c.Warning("odd", "")
	log := NewLog(c.Err(), "text", 2, false, true).With("account", "home")
	log.Info("started")
	log.WithGroup("g").Debug("looked", "n", 1)
	want := "<3>mailferry: error: home: no\n<3>    more\n<3>mailferry: hint: try\n<3>    again\n<4>mailferry: warning: odd\n" +
		"<6>INF started account=home\n<7>DBG looked account=home g.n=1\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func TestLogfmtHasErrorsAsRecords(t *testing.T) {
	var b bytes.Buffer
	c := NewConsole(io.Discard, &b)
	c.SetRecords(NewLog(c.Err(), "logfmt", 0, false, true))
	c.Error("home: no\nmore", "try again")
	if want := "<3>level=ERROR msg=\"home: no\\nmore\" hint=\"try again\"\n"; b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}
