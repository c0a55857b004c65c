//go:build long

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// otherProgram is a program that does what sync does.
type otherProgram struct {
	name, binary string
	// config is the text of its configuration, for a store at point and a
	// server on a port; args run it with that file.
	config func(point, port string) string
	args   func(file string) []string
}

var otherPrograms = []otherProgram{
	{
		"mbsync", "/usr/bin/mbsync",
		func(point, port string) string {
			return "IMAPStore far\nHost 127.0.0.1\nPort " + port + "\nUser server\nPass pass\nSSLType None\nAuthMechs LOGIN\n\nMaildirStore near\nPath " + point + "/mail/\nInbox " + point +
				"/mail/INBOX\nSubFolders Verbatim\n\nChannel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\nSyncState *\nCopyArrivalDate yes\n"
		},
		func(file string) []string { return []string{"-c", file, "-a"} },
	},
	{
		"offlineimap", "/usr/bin/offlineimap",
		func(point, port string) string {
			return "[general]\naccounts = a\nmetadata = " + point + "/meta\nui = quiet\n\n[Account a]\nlocalrepository = l\nremoterepository = r\n\n" +
				"[Repository l]\ntype = Maildir\nlocalfolders = " + point + "/mail\n\n[Repository r]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = " + port + "\nremoteuser = server\nremotepass = pass\nssl = no\nauth_mechanisms = LOGIN\n"
		},
		func(file string) []string { return []string{"-c", file, "-o"} },
	},
}

// TestOthersKilledAtAnyChange is for comparison: how mbsync and offlineimap
// fare where TestKilledAtAnyChange has us killed, on a small scenario, at
// MAILFERRY_POINTS changes or all. It reports; what
// others do is no failure.
func TestOthersKilledAtAnyChange(t *testing.T) {
	points := crashNumber(t, "MAILFERRY_POINTS", 1<<30)
	for _, p := range otherPrograms {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			w := newCrashWorld(t)
			w.binary, w.mayHang = p.binary, true
			file := filepath.Join(w.dir, p.name+".conf")
			w.front = newMailFront(t, false, w.serverConfig)
			_, port, _ := net.SplitHostPort(w.front.addr)
			w.ok(os.WriteFile(file, []byte(p.config(w.point, port)), 0o600))
			args := p.args(file)
			w.prepareOther(args)
			var whole crashRun
			w.mounted(func() { whole = w.run(atRest, args...) })
			if whole.code != 0 {
				t.Fatalf("the run alone: exit code %d\n%s", whole.code, whole.output)
			}
			want := w.subjects()
			var all verdicts
			for k := 1; k <= min(whole.changes, points); k++ {
				w.reset()
				w.mounted(func() { w.run(func(d *crashDisk, kill func()) { d.arm(k, kill) }, args...) })
				var second crashRun
				w.mounted(func() { second = w.run(atRest, args...) })
				if d := all.judge(w.subjects(), want); d != "" || second.code != 0 {
					t.Logf("killed at change %d: the rerun's exit code is %d%s", k, second.code, d)
				}
				if second.code != 0 {
					all.stuck.Add(1)
				}
			}
			synctest.Report(t, "%d changes, %v", whole.changes, &all)
		})
	}
}

// prepareOther brings the small scenario to where its run begins.
func (w *crashWorld) prepareOther(args []string) {
	w.t.Helper()
	w.folder(w.server, mailbox.Inbox)
	w.folder(w.server, "Work")
	for i := range 4 {
		w.deliver(w.server, mailbox.Inbox, fmt.Sprintf("in %d", i), seen)
	}
	w.ownServer()
	w.mounted(func() {
		w.ok(os.MkdirAll(filepath.Join(w.point, "mail"), 0o700))
		if r := w.run(atRest, args...); r.code != 0 {
			w.t.Fatalf("the sync before it: exit code %d\n%s", r.code, r.output)
		}
	})
	for i := range 3 {
		w.deliver(w.server, mailbox.Inbox, fmt.Sprintf("new %d", i))
		w.deliver(w.reader, "Work", fmt.Sprintf("mine %d", i), seen)
	}
	w.reader.SetFlags(mailbox.Inbox, w.pickSubject("in 0"), mailbox.NewFlags(seen, flagged))
	w.reader.Unlink(mailbox.Inbox, w.pickSubject("in 1"))
	w.server.Unlink(mailbox.Inbox, w.pick(w.server, mailbox.Inbox, "in 2"))
	w.ownServer()
	w.keep()
}

func (w *crashWorld) pickSubject(subject string) mailbox.Key {
	w.t.Helper()
	for _, f := range w.reader.Files(mailbox.Inbox) {
		if subjectOf(f.Octets) == subject {
			return f.Key
		}
	}
	w.t.Fatalf("INBOX has no %q", subject)
	return ""
}

// subjects is isThere for programs that change what they carry.
func (w *crashWorld) subjects() []string {
	w.t.Helper()
	var lines []string
	for side, tree := range map[string]*synctest.Maildir{"server": w.server, "disk": w.reader} {
		for _, name := range tree.Names() {
			for _, f := range tree.Files(name) {
				lines = append(lines, fmt.Sprintf("%s %s: %s (%s)", side, name, subjectOf(f.Octets), strings.ToLower(f.Flags.String())))
			}
		}
	}
	slices.Sort(lines)
	return lines
}
