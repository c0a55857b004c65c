package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/rogpeppe/go-internal/testscript"

	"mailferry/syncer/synctest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mailferry": main})
}

// Each script has an IMAP server of its own at $IMAP_URL, with the commands
//
//	imap create MAILBOX
//	imap append MAILBOX FILE [FLAG...]
//	imap deliver MAILBOX FILE [FLAG...]   as append, but dated now
//	imap flag MAILBOX UID +FLAG|-FLAG...
//	imap expunge MAILBOX UID...
//	imap show MAILBOX         uid, flags and subject of each message
//	other                     starts a second server, at $OTHER_URL
//	other COMMAND...          what imap does, on the second server
//	disk DIR                  folder, flags and subject of each message file
//	pings [hang|fail|fine]    starts a monitoring service at $PING_URL, or prints what it heard
//	exits CODE COMMAND...     runs a command that has to end with this code
//
// All of them run once against the embedded server and once against Dovecot, which
// has POP3, too, at $POP3_URL; [pop3] tells.
func TestScripts(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		runScripts(t, false, func() (scriptHost, func(), error) {
			server, err := startDemoServer()
			return scriptHost{demoServer: server}, func() { server.Close() }, err
		})
	})
	t.Run("dovecot", func(t *testing.T) {
		config := synctest.DovecotConfig{Extra: "passdb {\n  driver = static\n  args = password=" + demoPassword + "\n}\n"}
		runScripts(t, true, func() (scriptHost, func(), error) {
			server, err := synctest.StartDovecot("", config)
			if err != nil {
				return scriptHost{}, nil, err
			}
			return scriptHost{&demoServer{addr: server.Addr}, server.POP3Addr}, func() { _ = server.Stop() }, nil
		})
	})
}

// scriptHost is a script's IMAP server, and where it has POP3.
type scriptHost struct {
	*demoServer
	pop3 string
}

func runScripts(t *testing.T, hasPOP3 bool, start func() (server scriptHost, stop func(), err error)) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", "script"),
		Setup: func(env *testscript.Env) error {
			server, stop, err := start()
			if err != nil {
				return err
			}
			env.Defer(stop)
			env.Values["server"] = server.demoServer
			env.Values["start"], env.Values["other"], env.Values["pings"] = start, &otherServer{}, &pingService{}
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("IMAP_URL", server.url())
			env.Setenv("POP3_URL", "pop3+plain://"+demoUser+"@"+server.pop3)
			env.Setenv("MAILFERRY_PASSWORD", demoPassword)
			return os.Mkdir(home, 0o700)
		},
		Condition: func(name string) (bool, error) {
			if name != "pop3" {
				return false, fmt.Errorf("no condition %q", name)
			}
			return hasPOP3, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"imap": scriptIMAP, "other": scriptOther, "disk": scriptDisk, "exits": scriptExits, "pings": scriptPings},
	})
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func scriptIMAP(ts *testscript.TestScript, _ bool, args []string) {
	scriptServer(ts, ts.Value("server").(*demoServer), args)
}

// otherServer is the second server of a script that asked for one.
type otherServer struct{ *demoServer }

func scriptOther(ts *testscript.TestScript, _ bool, args []string) {
	other := ts.Value("other").(*otherServer)
	if len(args) > 0 {
		scriptServer(ts, other.demoServer, args)
		return
	}
	server, stop, err := ts.Value("start").(func() (scriptHost, func(), error))()
	ts.Check(err)
	ts.Defer(stop)
	other.demoServer = server.demoServer
	ts.Setenv("OTHER_URL", server.url())
}

func scriptServer(ts *testscript.TestScript, server *demoServer, args []string) {
	c, err := server.client()
	ts.Check(err)
	defer c.Close()
	name := args[1]
	switch args[0] {
	case "create":
		ts.Check(c.Create(name, nil).Wait())
	case "append", "deliver":
		date := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
		if args[0] == "deliver" {
			date = time.Now()
		}
		text := strings.ReplaceAll(ts.ReadFile(args[2]), "\n", "\r\n")
		ts.Check(appendMessage(c, name, []byte(text), date, imapFlags(args[3:])...))
	case "flag":
		for _, flag := range args[3:] {
			op := imap.StoreFlagsAdd
			if flag[0] == '-' {
				op = imap.StoreFlagsDel
			}
			ts.Check(changeFlags(c, name, scriptUID(ts, args[2]), op, imap.Flag(flag[1:])))
		}
	case "expunge":
		for _, text := range args[2:] {
			uid := scriptUID(ts, text)
			ts.Check(changeFlags(c, name, uid, imap.StoreFlagsAdd, imap.FlagDeleted))
			ts.Check(c.UIDExpunge(imap.UIDSetNum(uid)).Close())
		}
	case "show":
		messages, err := remoteMessages(c, name)
		ts.Check(err)
		fmt.Fprint(ts.Stdout()) // even if there is none
		for _, m := range messages {
			fmt.Fprintln(ts.Stdout(), m.UID, flagText(m), subject(string(m.BodySection[0].Bytes)))
		}
	default:
		ts.Fatalf("imap %s: no such command", args[0])
	}
}

func scriptUID(ts *testscript.TestScript, text string) imap.UID {
	uid, err := strconv.ParseUint(text, 10, 32)
	ts.Check(err)
	return imap.UID(uid)
}

func imapFlags(names []string) []imap.Flag {
	flags := make([]imap.Flag, len(names))
	for i, name := range names {
		flags[i] = imap.Flag(name)
	}
	return flags
}

// flagText is the flags as [\Flagged \Seen], sorted.
func flagText(m *imapclient.FetchMessageBuffer) string {
	var names []string
	for _, flag := range m.Flags {
		if name := strings.ToLower(string(flag)); name != `\recent` { // a session's, not a message's
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return "[" + strings.Join(names, " ") + "]"
}

func subject(text string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "Subject: "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "-"
}

// scriptDisk reads a Maildir with no code of ours.
func scriptDisk(ts *testscript.TestScript, _ bool, args []string) {
	root := ts.MkAbs(args[0])
	var lines []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && entry.Name() == ".mailferry" {
				return filepath.SkipDir
			}
			return err
		}
		part := filepath.Base(filepath.Dir(path))
		if part != "cur" && part != "new" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(filepath.Dir(path)))
		_, flags, _ := strings.Cut(entry.Name(), ":2,")
		lines = append(lines, fmt.Sprintf("%s [%s] %s", folder, flags, subject(string(text))))
		return err
	})
	ts.Check(err)
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprintln(ts.Stdout(), line)
	}
}
