package main

import (
	"bytes"
	"context"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"mailferry/syncer/synctest"
)

// What the Go runtime prints when the program dies names functions and
// addresses; and no core is dumped, though everything asks for one.
func TestADyingProgramTellsNoPassword(t *testing.T) {
	w := newCanaryWorld(t)
	entered := make(chan struct{}, 1)
	addr := tattler{stallsAt: "LIST", stalls: func() { entered <- struct{}{} }}.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -c "$(ulimit -H -c)"; exec "$0" "$@"`,
		w.binary, "backup", "imap+plain://user@"+addr, w.disk.Dir, "-vv")
	cmd.Env, cmd.Dir = append(w.environment(), "GOTRACEBACK=crash"), w.home
	output := &overheard{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-entered:
	case <-time.After(30 * time.Second):
		t.Errorf("the login never happened\n%s", output.text())
	}
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if !strings.Contains(output.text(), "goroutine ") {
		t.Errorf("it did not die as it should:\n%s", output.text())
	}
	w.withoutSecrets("SIGQUIT", output.text())
	if cores, _ := filepath.Glob(filepath.Join(w.home, "core*")); len(cores) > 0 {
		t.Errorf("a core was dumped: %v", cores)
	}
}

func TestProtectMemoryForbidsCores(t *testing.T) {
	before, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(before), 0, 0, 0); err != nil {
			t.Error(err)
		}
	}()
	protectMemory()
	if now, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || now != 0 {
		t.Errorf("dumpable: %d, %v", now, err)
	}
}

func TestWhatRunsLeaveIsForTheUserAloneWhateverTheUmask(t *testing.T) {
	for _, umask := range []string{"000", "022", "077"} {
		w := newCanaryWorld(t)
		for _, args := range [][]string{
			{"backup", w.url(), w.disk.Dir}, {"sync", w.disk.Dir}, {"archive", w.disk.Dir, "--older-than", "0d"}, {"undo", w.disk.Dir},
		} {
			cmd := w.command(t.Context(), args...)
			cmd.Args = append([]string{"sh", "-c", "umask " + umask + `; exec "$0" "$@"`, w.binary}, args...)
			cmd.Path = "/bin/sh"
			if output, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", args, err, output)
			}
		}
		for _, root := range []string{w.disk.Dir, filepath.Join(w.home, "state", "mailferry")} {
			err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := entry.Info()
				if err == nil && info.Mode().Perm()&0o077 != 0 {
					t.Errorf("umask %s: %s has %04o", umask, path, info.Mode().Perm())
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// escapes are what a server might send to a terminal: titles, colours, the
// clipboard, C1 codes, and what turns the direction of writing.
const escapes = "\x1b]0;EVIL\x07\x1b[2J\x1b[31mEVIL\x1b]52;c;RVZJTA==\x07\u009b31m\u202eEVIL\x08\x08\x7f"

func TestServersCannotTalkToTheTerminal(t *testing.T) {
	name := `"A` + strings.ReplaceAll(strings.ReplaceAll(escapes, "\u009b", "&AJs-"), "\u202e", "&IC4-") + `"`
	answers := func(command, answer string) map[string]string { return map[string]string{command: answer} }
	for what, server := range map[string]tattler{
		"greeting":      {greeting: "* BYE [ALERT] " + escapes + "\r\n"},
		"refused login": {says: answers("LOGIN", "* OK [ALERT] "+escapes+"\r\n{tag} NO [AUTHENTICATIONFAILED] "+escapes+"\r\n")},
		"capability":    {capability: "IMAP4rev1 LOGINDISABLED AUTH=" + escapes},
		"mailbox name": {says: map[string]string{
			"LIST": "* LIST () \"/\" " + name + "\r\n{tag} OK done\r\n", "EXAMINE": "{tag} NO " + escapes + "\r\n"}},
		"refused list": {says: answers("LIST", "* OK [ALERT] "+escapes+"\r\n{tag} NO "+escapes+"\r\n")},
		"nonsense":     {says: answers("LIST", "* "+escapes+"\r\n"+escapes+"\r\n"), hangsUp: "LIST"},
		"BYE":          {says: answers("LIST", "* BYE "+escapes+"\r\n"), hangsUp: "LIST"},
	} {
		for _, flag := range []string{"-vv", "-vv --log-format=json", "-vv --log-format=logfmt", "--json", "--no-color"} {
			w := newCanaryWorldWithoutServer(t)
			text := w.onTerminal(append([]string{"backup", "imap+plain://user@" + server.start(t), w.disk.Dir, "--connections=1"}, strings.Fields(flag)...)...)
			if len(text) == 0 {
				t.Errorf("%s: nothing was shown", what)
			}
			if at := indexOfControl(text); at >= 0 {
				t.Errorf("%s %s: the terminal gets %q", what, flag, text[max(0, at-40):min(len(text), at+40)])
			}
		}
	}
}

// newCanaryWorldWithoutServer is for servers that a script plays.
func newCanaryWorldWithoutServer(t *testing.T) *canaryWorld {
	t.Helper()
	home := t.TempDir()
	w := &world{t: t, binary: builtProgram(t), home: home, tmp: t.TempDir(), user: &synctest.User{Password: canaryPassword}}
	w.disk = synctest.NewMaildir(t, filepath.Join(home, "mail"), false)
	return &canaryWorld{w}
}

// onTerminal runs the program on a terminal and returns all that it shows.
func (w *canaryWorld) onTerminal(args ...string) []byte {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := w.command(ctx, args...)
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	terminal, err := pty.Start(cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	defer terminal.Close()
	var shown bytes.Buffer
	_, _ = shown.ReadFrom(terminal) // ends with EIO when the last writer closes
	_ = cmd.Wait()
	if ctx.Err() != nil {
		w.t.Errorf("mailferry %v does not end\n%s", args, shown.String())
	}
	return shown.Bytes()
}

// indexOfControl finds what is neither text nor one of our own sequences: a
// colour of the log, or the end of the progress.
func indexOfControl(text []byte) int {
	for at := 0; at < len(text); at++ {
		switch c := text[at]; {
		case c == 0x1b:
			own := ownSequence.Find(text[at:])
			if own == nil {
				return at
			}
			at += len(own) - 1
		case c < ' ' && c != '\r' && c != '\n' && c != '\t', c == 0x7f:
			return at
		case bytes.HasPrefix(text[at:], []byte("\u009b")), bytes.HasPrefix(text[at:], []byte("\u202e")):
			return at
		}
	}
	return -1
}

// ownSequence is what we send ourselves: colours, clearing to an end, the cursor up and down.
var ownSequence = regexp.MustCompile(`^\x1b\[(\d+(;\d+)*m|m|[012]?[JK]|\d*[ABEF])`)
