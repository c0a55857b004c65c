package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// patience bounds one run of the program.
const patience = 3 * time.Minute

// world is an account on a real server, a store on disk, and the program
// between them as its users start it.
type world struct {
	t    testing.TB
	user *synctest.User
	// disk is a mail reader that works in the store's folder.
	disk *synctest.Maildir
	// home and tmp are what the program takes for them.
	home, tmp string
	// env has more variables, such as MAILFERRY_LAYOUT.
	env []string
	// addr replaces the server's own address: a proxy's, say.
	addr string
	// binary is the program, and measures has the memory of its runs measured.
	binary   string
	measures bool
	// plain says that the server has no CONDSTORE: then nothing but opening a
	// mailbox tells whether flags changed.
	plain bool
	// patience bounds a run; 0 is the usual one.
	patience time.Duration
	// usualRun is about how long a run takes that is not killed.
	usualRun time.Duration
}

// layouts that a store may have.
const (
	layoutFS        = "fs"
	layoutMaildirPP = "maildir++"
)

func newWorld(t testing.TB, server *synctest.Server, layout string) *world {
	t.Helper()
	home := t.TempDir()
	w := &world{t: t, user: server.User(t), binary: builtProgram(t), home: home, tmp: t.TempDir(), addr: server.Addr, env: []string{"MAILFERRY_LAYOUT=" + layout}}
	w.disk = synctest.NewMaildir(t, filepath.Join(home, "mail"), layout == layoutMaildirPP)
	return w
}

func (w *world) url() string {
	return "imap+plain://" + url.PathEscape(w.user.Name) + "@" + w.addr
}

func (w *world) environment() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.home, "TMPDIR=" + w.tmp, "MAILFERRY_PASSWORD=" + w.user.Password,
		"XDG_STATE_HOME=" + filepath.Join(w.home, "state"), "XDG_CONFIG_HOME=" + filepath.Join(w.home, "config"),
	}, w.env...)
}

// command prepares a run of the program.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.binary, args...)
	cmd.Env, cmd.Dir = w.environment(), w.home
	cmd.WaitDelay = time.Second
	return cmd
}

// run runs the program to its end.
func (w *world) run(args ...string) outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(w.patience, patience))
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := w.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Start()
	if err != nil {
		w.t.Fatal(err)
	}
	peak := func() int64 { return 0 }
	if w.measures {
		peak = watchMemory(cmd.Process.Pid)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		w.t.Fatalf("mailferry %s: %v, %v\n%s", strings.Join(args, " "), err, ctx.Err(), stderr.String())
	}
	o := outcomeOf(w.t, cmd, stdout.Bytes(), stderr.String())
	o.peak = peak()
	return o
}

// transfer runs a command that works on the account and its store.
func (w *world) transfer(command string, flags ...string) outcome {
	w.t.Helper()
	return w.run(append(append([]string{command, "--json"}, flags...), w.url(), w.disk.Dir)...)
}

func (w *world) sync(flags ...string) outcome   { w.t.Helper(); return w.transfer("sync", flags...) }
func (w *world) backup(flags ...string) outcome { w.t.Helper(); return w.transfer("backup", flags...) }

// outcome is what a run of the program told.
type outcome struct {
	tb      testing.TB
	code    int
	stdout  string
	stderr  string
	summary summary
	guards  []guard
	troubles,
	notices []string
	failures []string
	// peak is the most memory that the run held, in octets; 0 unless measured.
	peak int64
}

// summary is CLI.md's summary object.
type summary struct {
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
	MailboxesCreated int    `json:"mailboxes_created"`
	MailboxesDeleted int    `json:"mailboxes_deleted"`
	MailboxesRenamed int    `json:"mailboxes_renamed"`
	OctetsDown       int64  `json:"octets_down"`
	OctetsUp         int64  `json:"octets_up"`
	RoundTrips       int64  `json:"round_trips"`
	Mailboxes        int    `json:"mailboxes"`
	Selected         int    `json:"mailboxes_selected"`
	DurationMS       int64  `json:"duration_ms"`
	ExitCode         int    `json:"exit_code"`
	Error            string `json:"error"`
}

// changes is the summary without what says how it was done.
func (s summary) changes() summary {
	s.OctetsDown, s.OctetsUp, s.RoundTrips, s.Mailboxes, s.Selected, s.DurationMS = 0, 0, 0, 0, 0, 0
	return s
}

// guard is CLI.md's guard object.
type guard struct {
	Mailbox   mailbox.Name `json:"mailbox"`
	Reason    string       `json:"reason"`
	Deletions int          `json:"deletions"`
	Known     int          `json:"known"`
}

func outcomeOf(tb testing.TB, cmd *exec.Cmd, stdout []byte, stderr string) outcome {
	tb.Helper()
	o := outcome{tb: tb, code: cmd.ProcessState.ExitCode(), stdout: string(stdout), stderr: stderr}
	for line := range bytes.Lines(stdout) {
		var object struct {
			Type, Error, Text, Mailbox, Result, Action string
		}
		if json.Unmarshal(line, &object) != nil {
			continue
		}
		switch object.Type {
		case "summary":
			if err := json.Unmarshal(line, &o.summary); err != nil {
				tb.Fatal(err)
			}
		case "guard":
			var g guard
			if err := json.Unmarshal(line, &g); err != nil {
				tb.Fatal(err)
			}
			o.guards = append(o.guards, g)
		case "error":
			o.troubles = append(o.troubles, object.Mailbox+": "+object.Error)
		case "notice":
			o.notices = append(o.notices, object.Mailbox+": "+object.Text)
		case "action":
			if object.Result == "failed" {
				o.failures = append(o.failures, object.Action+" "+object.Mailbox+": "+object.Error)
			}
		}
	}
	return o
}

// exits ends the test unless the run ended with this code.
func (o outcome) exits(code int) outcome {
	o.tb.Helper()
	if o.code != code {
		o.tb.Fatalf("exit code %d, want %d\n%s\n%s", o.code, code, o.stdout, o.stderr)
	}
	if o.summary != (summary{}) && o.summary.ExitCode != code {
		o.tb.Errorf("the summary says exit code %d, the process %d", o.summary.ExitCode, code)
	}
	return o
}

// isQuiet says that a run changed nothing and left nothing to be done.
func (o outcome) isQuiet() outcome {
	o.tb.Helper()
	if o.exits(exitDone); o.summary.changes() != (summary{}) {
		o.tb.Errorf("a run without work did something: %+v\n%s", o.summary, o.stdout)
	}
	return o
}

// deletesNothing checks that a run deleted nothing on either side.
func (o outcome) deletesNothing() outcome {
	o.tb.Helper()
	if s := o.summary; s.RemovedLocal != 0 || s.ExpungedRemote != 0 || s.MailboxesDeleted != 0 {
		o.tb.Errorf("the run deleted: %+v\n%s", s, o.stdout)
	}
	return o
}

// says checks that what the user reads has all of these texts.
func (o outcome) says(texts ...string) outcome {
	o.tb.Helper()
	for _, text := range texts {
		if !strings.Contains(o.stderr, text) {
			o.tb.Errorf("stderr does not say %q:\n%s", text, o.stderr)
		}
	}
	return o
}

// refuses checks that exactly one guard stepped in.
func (o outcome) refuses(want guard) outcome {
	o.tb.Helper()
	if o.exits(exitGuarded); len(o.guards) != 1 || o.guards[0] != want {
		o.tb.Errorf("guards %+v, want %+v", o.guards, want)
	}
	return o
}

// same checks that server and disk agree to the octet.
func (w *world) same() synctest.Snapshot {
	w.t.Helper()
	snapshot := w.user.Snapshot()
	synctest.Compare(w.t, snapshot, w.disk.Dir)
	return snapshot
}

// quiet checks that nothing is left to be done: a further sync changes
// nothing, and one more opens no mailbox.
func (w *world) quiet() {
	w.t.Helper()
	w.sync().isQuiet()
	if o := w.sync().isQuiet(); o.summary.Selected != 0 && !w.plain {
		w.t.Errorf("%d mailboxes were opened although nothing changed\n%s", o.summary.Selected, o.stdout)
	}
}

// letter makes a message that is known by its label. One whose label begins
// with "long" has about 12 KB.
func letter(label string) []byte {
	body := ""
	if strings.HasPrefix(label, "long") {
		body = strings.Repeat("A line that is only here to make a message of some length, no more.\r\n", 180)
	}
	return fmt.Appendf(nil, "From: Ann <ann@example.org>\r\nSubject: %s\r\nMessage-ID: <%x@example.org>\r\n"+
		"Date: Tue, 14 Jul 2026 10:00:00 +0200\r\n\r\nThis is %s.\r\n%s", label, label, label, body)
}

// someDate is INTERNALDATE where a test does not care.
var someDate = mailbox.DateOf(time.Date(2026, 7, 14, 10, 0, 0, 0, time.FixedZone("", 2*3600)))
