package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// formerProgram is another program that filled a world's disk. Paths in config
// and path are below the home: %[1]s; host, port, user and password follow.
type formerProgram struct {
	name, tool, layout string
	// config is its configuration, path what import-state is given.
	config, path string
	// flags are import-state's besides.
	flags []string
}

const mbsyncServer = "IMAPStore far\nHost %[2]s\nPort %[3]s\nUser %[4]s\nPass %[5]s\nSSLType None\nAuthMechs LOGIN\n\n"

const mbsyncNear = "MaildirStore near\nSubFolders Verbatim\nPath %[1]s/mail/\nInbox %[1]s/mail/INBOX\n\n"

const mbsyncChannel = "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nCopyArrivalDate no\n"

const offlineimapServer = "[general]\nmetadata = %[1]s/metadata\naccounts = all\nui = quiet\n\n[Account all]\nlocalrepository = near\nremoterepository = far\n\n" +
	"[Repository far]\ntype = IMAP\nremotehost = %[2]s\nremoteport = %[3]s\nremoteuser = %[4]s\nremotepass = %[5]s\n" +
	"ssl = no\nstarttls = no\nauth_mechanisms = PLAIN\n"

var formerPrograms = []formerProgram{
	{
		name: "mbsync, its state in the folders", tool: "mbsync", layout: layoutFS,
		config: mbsyncServer + mbsyncNear + mbsyncChannel + "SyncState *\n", path: "%[1]s/config-of-it",
	},
	{
		name: "mbsync, the Maildir named", tool: "mbsync", layout: layoutFS,
		config: "SyncState *\n\n" + mbsyncServer + mbsyncNear + mbsyncChannel, path: "%[1]s/mail",
	},
	{
		name: "mbsync, its state in ~/.mbsync", tool: "mbsync", layout: layoutFS,
		config: mbsyncServer + mbsyncNear + mbsyncChannel, path: "%[1]s/.mbsync",
	},
	{
		name: "mbsync, its state behind a prefix", tool: "mbsync", layout: layoutFS,
		config: mbsyncServer + mbsyncNear + mbsyncChannel + "SyncState %[1]s/states/all-\n", path: "%[1]s/config-of-it",
	},
	{
		name: "mbsync, Maildir++", tool: "mbsync", layout: layoutMaildirPP,
		config: mbsyncServer + "MaildirStore near\nSubFolders Maildir++\nInbox %[1]s/mail\n\n" + mbsyncChannel, path: "%[1]s/config-of-it",
	},
	{
		name: "mbsync, other names on disk", tool: "mbsync", layout: layoutFS,
		config: mbsyncServer + mbsyncNear + strings.ReplaceAll(mbsyncChannel, "Patterns *", "Patterns * !Work !Work/* !arbeit !teil") +
			"\nChannel work\nFar :far:Work\nNear :near:arbeit\nCreate Both\nExpunge Both\n" +
			"\nChannel sub\nFar :far:Work/Sub\nNear :near:teil\nCreate Both\nExpunge Both\n",
		path: "%[1]s/config-of-it",
	},
	{
		name: "offlineimap, folders nested", tool: "offlineimap", layout: layoutFS,
		config: offlineimapServer + "\n[Repository near]\ntype = Maildir\nlocalfolders = ~/mail\nsep = /\n", path: "%[1]s/config-of-it",
	},
	{
		name: "offlineimap, dots in names", tool: "offlineimap", layout: layoutFS,
		config: offlineimapServer + "\n[Repository near]\ntype = Maildir\nlocalfolders = %[1]s/mail\n", path: "%[1]s/metadata",
	},
	{
		name: "offlineimap, names changed", tool: "offlineimap", layout: layoutFS,
		config: offlineimapServer + "nametrans = lambda f: f.replace('Work', 'arbeit')\n" +
			"\n[Repository near]\ntype = Maildir\nlocalfolders = %[1]s/mail\nsep = /\nnametrans = lambda f: f.replace('arbeit', 'Work')\n",
		path: "%[1]s/config-of-it",
		flags: []string{
			"--map", "INBOX=INBOX", "--map", "arbeit=Work", "--map", "arbeit/Sub=Work/Sub", "--map", "Empty=Empty",
			"--map", "Entw&APw-rfe=Entw&APw-rfe", "--map", "Drafts=Drafts", "--map", "Junk=Junk", "--map", "Sent=Sent", "--map", "Trash=Trash", "--map", "Archive=Archive",
		},
	},
}

// fill fills in what formats have verbs for.
func (p formerProgram) fill(w *world, text string) string {
	w.t.Helper()
	host, port, err := net.SplitHostPort(w.user.Server.Addr)
	if err != nil {
		w.t.Fatal(err)
	}
	text = fmt.Sprintf(text, w.home, host, port, w.user.Name, w.user.Password)
	text, _, _ = strings.Cut(text, "%!(EXTRA")
	return text
}

// run lets the program do its work.
func (p formerProgram) run(w *world) {
	w.t.Helper()
	if output, err := p.try(w); err != nil {
		w.t.Fatalf("%s: %v\n%s", p.tool, err, output)
	}
}

func (p formerProgram) try(w *world) ([]byte, error) {
	w.t.Helper()
	config := filepath.Join(w.home, "config-of-it")
	if err := os.WriteFile(config, []byte(p.fill(w, p.config)), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(w.home, "mail"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := []string{"-c", config, "-a"}
	if p.tool == "offlineimap" {
		args = []string{"-o", "-c", config}
	}
	cmd := exec.CommandContext(ctx, p.tool, args...)
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.home}, w.home
	return cmd.CombinedOutput()
}

// importState runs import-state.
func (p formerProgram) importState(w *world, flags ...string) outcome {
	w.t.Helper()
	config := fmt.Sprintf("[accounts.home]\nurl = %q\nstore = %q\n", w.url(), w.disk.Dir)
	path := filepath.Join(w.home, "config", "mailferry", "config.toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	args := []string{"import-state", p.tool, p.fill(w, p.path), "--account", "home"}
	return w.run(slices.Concat(args, p.flags, flags)...)
}

// tuid is the field that mbsync adds to its copies.
var tuid = regexp.MustCompile(`(?m)^X-TUID: .{12}\r\n`)

// agree checks that both sides have the same messages with the same flags, but
// for what mbsync adds, and returns them.
func agree(w *world) *expectation {
	w.t.Helper()
	onServer, onDisk := synctest.Snapshot{}, synctest.Snapshot{}
	for _, name := range w.user.Mailboxes() {
		onServer[name] = nil
		for _, m := range w.user.Messages(name) {
			onServer[name] = append(onServer[name], synctest.Hashed{Message: synctest.Message{Flags: m.Flags, Octets: tuid.ReplaceAll(m.Octets, nil)}})
		}
	}
	for _, name := range w.disk.Names() {
		onDisk[name] = nil
		for _, f := range w.disk.Files(name) {
			onDisk[name] = append(onDisk[name], synctest.Hashed{Message: synctest.Message{Flags: f.Flags, Octets: tuid.ReplaceAll(f.Octets, nil)}})
		}
	}
	want := expectationOf(w.t, onServer)
	want.check(onDisk)
	return want
}

// treeOf lists all files below dir with their octets and dates.
func treeOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		if !entry.IsDir() {
			octets, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(octets)
		}
		tree[path] = fmt.Sprint(info.ModTime().UnixNano(), info.Mode(), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// aDay is how far apart messages are in time.
var aDay = 24 * time.Hour

// addDated puts a message on the server with a date of its own.
func addDated(w *world, name mailbox.Name, label string, days int, flags ...string) {
	w.t.Helper()
	date := someDate
	date.Unix += int64(days) * int64(aDay/time.Second)
	w.user.Append(name, mailbox.NewFlags(flags...), date, letter(label))
}

// keyOf finds a message's file, whatever mbsync added to it.
func keyOf(w *world, name mailbox.Name, label string) mailbox.Key {
	w.t.Helper()
	for _, file := range w.disk.Files(name) {
		if labelOf(tuid.ReplaceAll(file.Octets, nil)) == label {
			return file.Key
		}
	}
	w.t.Fatalf("no %s in the folder %s", label, name)
	return ""
}

func removeFile(w *world, name mailbox.Name, label string) {
	w.t.Helper()
	w.disk.Unlink(name, keyOf(w, name, label))
}

func flagFile(w *world, name mailbox.Name, label string, flags ...string) {
	w.t.Helper()
	w.disk.SetFlags(name, keyOf(w, name, label), mailbox.NewFlags(flags...))
}
