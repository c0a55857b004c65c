package main

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"mailferry/syncer/synctest"
)

const readmePath = "../../README.md"

// readmeBlock is what stands between ``` and ``` in the README.
type readmeBlock struct {
	line           int
	language, text string
}

func readmeBlocks(t testing.TB) []readmeBlock {
	t.Helper()
	text, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	var list []readmeBlock
	var block *readmeBlock
	for i, line := range strings.Split(string(text), "\n") {
		switch fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```"); {
		case isFence && block == nil:
			block = &readmeBlock{line: i + 1, language: fence}
		case isFence:
			list = append(list, *block)
			block = nil
		case block != nil:
			block.text += line + "\n"
		}
	}
	return list
}

// TestReadmeCommandsRun runs every command of the README, each block in a home
// of its own, against a server that stands for the reader's. The commands that
// a reader types at a prompt of their own machine are stood for, too.
func TestReadmeCommandsRun(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	ran := 0
	for _, block := range readmeBlocks(t) {
		if block.language != "sh" && block.language != "crontab" {
			continue
		}
		ran++
		t.Run(fmt.Sprintf("line %d", block.line), func(t *testing.T) {
			t.Parallel()
			r := newReader(t, server)
			r.run(block)
		})
	}
	if ran < 5 {
		t.Errorf("only %d blocks", ran)
	}
}

// reader is somebody who follows the README.
type reader struct {
	*world
	target *synctest.User
	root   string
}

func newReader(t *testing.T, server *synctest.Server) *reader {
	r := &reader{world: newWorld(t, server, layoutFS), target: server.User(t)}
	r.env = nil
	var err error
	if r.root, err = filepath.Abs("../.."); err != nil {
		t.Fatal(err)
	}
	populate(onServer{r.world})
	onServer{r.world}.add(inbox, "letter")
	r.write("bin/mailferry", 0o755, "#!/bin/sh\nexec "+r.binary+" \"$@\"\n")
	r.write("bin/pass", 0o755, "#!/bin/sh\necho '"+r.user.Password+"'\n")
	// What the other programs that the README names would do is not its matter.
	for _, name := range []string{"notmuch", "mu", "systemctl", "loginctl", "crontab"} {
		r.write("bin/"+name, 0o755, "#!/bin/sh\nexit 0\n")
	}
	r.write("mnt/pc1/.thunderbird/abc.default/Mail/Local Folders/Inbox", 0o600,
		"From - Tue Jul 14 10:00:00 2026\n"+strings.ReplaceAll(string(letter("from pc 1")), "\r\n", "\n")+"\n")
	r.write("mnt/pc1/.thunderbird/profiles.ini", 0o600, "[Profile0]\nName=default\nIsRelative=1\nPath=abc.default\n")
	r.write("mnt/pc2/Mail/cur/1700000000.M1P1.pc2:2,S", 0o600, string(letter("from pc 2")))
	for _, part := range []string{"new", "tmp"} {
		if err := os.Mkdir(filepath.Join(r.home, "mnt/pc2/Mail", part), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.configure()
	return r
}

func (r *reader) write(path string, mode os.FileMode, text string) {
	r.t.Helper()
	path = filepath.Join(r.home, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		r.t.Fatal(err)
	}
}

// here puts the reader's own places where the README has its examples.
func (r *reader) here(text string) string {
	target := "imap+plain://" + url.PathEscape(r.target.Name) + "@" + r.addr
	return strings.NewReplacer(
		"imaps://me%40example.com@imap.example.com", r.url(),
		"imaps://me%40old.example@imap.old.example", r.url(),
		"imaps://me@imap.new.example", target,
		"/mnt/", filepath.Join(r.home, "mnt")+"/",
	).Replace(text)
}

// configure writes the README's configuration.
func (r *reader) configure() {
	r.t.Helper()
	for _, block := range readmeBlocks(r.t) {
		if block.language == "toml" {
			r.write("config/mailferry/config.toml", 0o600, r.here(block.text))
			return
		}
	}
	r.t.Fatal("the README has no configuration")
}

// leftByMbsync lets mbsync fill the configured store.
func (r *reader) leftByMbsync() {
	r.t.Helper()
	near := strings.ReplaceAll(mbsyncNear, "/mail", "/Mail/home")
	mbsync := formerProgram{tool: "mbsync", config: mbsyncServer + near + mbsyncChannel + "SyncState *\n"}
	if err := os.MkdirAll(filepath.Join(r.home, "Mail/home"), 0o700); err != nil {
		r.t.Fatal(err)
	}
	mbsync.run(r.world)
	if err := os.Rename(filepath.Join(r.home, "config-of-it"), filepath.Join(r.home, ".mbsyncrc")); err != nil {
		r.t.Fatal(err)
	}
}

// fields are the times of a crontab line.
var fields = regexp.MustCompile(`(?m)^(?:[0-9*/,-]+ +){5}|^@[a-z]+ +`)

func (r *reader) run(block readmeBlock) {
	r.t.Helper()
	text := block.text
	if strings.TrimSpace(text) == "make test" {
		// That is this test, and what CI runs.
		ci, err := os.ReadFile(filepath.Join(r.root, ".ci/run"))
		if err != nil || !regexp.MustCompile(`make .*\btest\b`).Match(ci) {
			r.t.Errorf("CI does not run make test: %v", err)
		}
		return
	}
	if strings.Contains(text, "import-state mbsync") {
		r.leftByMbsync()
	}
	if block.language == "crontab" {
		text = fields.ReplaceAllString(text, "")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", r.here(text))
	cmd.Dir = r.root
	cmd.Env = append(r.environment(), "MAILFERRY_PASSWORD_TO="+r.target.Password, "GOBIN="+filepath.Join(r.home, "installed"),
		"GOPATH="+goVariable(r.t, "GOPATH"), "GOCACHE="+goVariable(r.t, "GOCACHE"), "GOFLAGS=-buildvcs=false",
		"PATH="+filepath.Join(r.home, "bin")+":"+os.Getenv("PATH"))
	if output, err := cmd.CombinedOutput(); err != nil {
		r.t.Errorf("README line %d: %v\n%s\n%s", block.line, err, r.here(text), output)
	}
}

func goVariable(t testing.TB, name string) string {
	t.Helper()
	value, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(value))
}

// TestReadmeTellsWhatTheProgramSays: each text in the table of troubles is one
// that the program prints.
func TestReadmeTellsWhatTheProgramSays(t *testing.T) {
	text, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| it says |")
	table, _, _ = strings.Cut(table, "\n\n")
	said := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1)
	if len(said) < 5 {
		t.Fatalf("the table has %d texts", len(said))
	}
	source := programText(t)
	for _, match := range said {
		if !strings.Contains(source, match[1]) {
			t.Errorf("nothing in the program says %q", match[1])
		}
	}
}

// programText is the program's source without its tests, and what the system adds.
func programText(t *testing.T) string {
	var all strings.Builder
	for _, dir := range []string{"cmd", "syncer", "maildirout", "state"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			all.Write(source)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String() + syscall.ENOSPC.Error()
}
