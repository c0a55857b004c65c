package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// expectation is what both sides have to hold: mailboxes with messages, each
// as often as it is there.
type expectation struct {
	t         testing.TB
	mailboxes map[mailbox.Name][]expected
}

type expected struct {
	label string
	flags mailbox.Flags
}

// labelOf tells which letter the octets are, or their hash if none.
func labelOf(octets []byte) string {
	_, rest, _ := bytes.Cut(octets, []byte("Subject: "))
	label, _, _ := bytes.Cut(rest, []byte("\r\n"))
	if bytes.Equal(letter(string(label)), octets) {
		return string(label)
	}
	return fmt.Sprintf("%.8x", sha256.Sum256(octets))
}

func expectationOf(t testing.TB, snapshot synctest.Snapshot) *expectation {
	e := &expectation{t: t, mailboxes: map[mailbox.Name][]expected{}}
	for name, messages := range snapshot {
		e.mailboxes[name] = nil
		for _, m := range messages {
			e.mailboxes[name] = append(e.mailboxes[name], expected{labelOf(m.Octets), m.Flags})
		}
	}
	return e
}

func (e *expectation) index(name mailbox.Name, label string) int {
	e.t.Helper()
	i := slices.IndexFunc(e.mailboxes[name], func(x expected) bool { return x.label == label })
	if i < 0 {
		e.t.Fatalf("the case expects %s in %s, where it never was", label, name)
	}
	return i
}

// add, gone and flagged change what is expected of one message.
func (e *expectation) add(name mailbox.Name, label string, flags ...string) {
	e.mailboxes[name] = append(e.mailboxes[name], expected{label, mailbox.NewFlags(flags...)})
}

func (e *expectation) gone(name mailbox.Name, labels ...string) {
	e.t.Helper()
	for _, label := range labels {
		i := e.index(name, label)
		e.mailboxes[name] = slices.Delete(e.mailboxes[name], i, i+1)
	}
}

func (e *expectation) flagged(name mailbox.Name, label string, flags ...string) {
	e.t.Helper()
	e.mailboxes[name][e.index(name, label)].flags = mailbox.NewFlags(flags...)
}

// create, clear, drop and rename change what is expected of a mailbox.
func (e *expectation) create(names ...mailbox.Name) {
	for _, name := range names {
		e.mailboxes[name] = e.mailboxes[name][:len(e.mailboxes[name]):len(e.mailboxes[name])]
	}
}

func (e *expectation) clear(name mailbox.Name) { e.mailboxes[name] = nil }

func (e *expectation) drop(name mailbox.Name) { delete(e.mailboxes, name) }

func (e *expectation) rename(from, to mailbox.Name) {
	e.mailboxes[to] = e.mailboxes[from]
	delete(e.mailboxes, from)
}

func (e *expectation) lines() []string {
	var lines []string
	for name, messages := range e.mailboxes {
		lines = append(lines, string(name))
		for _, m := range messages {
			lines = append(lines, fmt.Sprintf("%s: %s (%s)", name, m.label, strings.ToLower(m.flags.String())))
		}
	}
	slices.Sort(lines)
	return lines
}

// check compares with what the server has.
func (e *expectation) check(snapshot synctest.Snapshot) {
	e.t.Helper()
	got, want := expectationOf(e.t, snapshot).lines(), e.lines()
	for _, line := range want {
		if i := slices.Index(got, line); i >= 0 {
			got = slices.Delete(got, i, i+1)
		} else {
			e.t.Errorf("missing: %s", line)
		}
	}
	for _, line := range got {
		e.t.Errorf("unexpected: %s", line)
	}
}

// onServer has the witness's changes, by label.
type onServer struct{ w *world }

func (s onServer) uid(name mailbox.Name, label string) mailbox.UID {
	s.w.t.Helper()
	for _, m := range s.w.user.Messages(name) {
		if labelOf(m.Octets) == label {
			return m.UID
		}
	}
	s.w.t.Fatalf("no %s in %s on the server", label, name)
	return 0
}

func (s onServer) add(name mailbox.Name, label string, flags ...string) {
	s.w.user.Append(name, mailbox.NewFlags(flags...), someDate, letter(label))
}

func (s onServer) flag(name mailbox.Name, label, item string, flags ...string) {
	s.w.t.Helper()
	s.w.user.Store(name, s.uid(name, label), item+"FLAGS", mailbox.NewFlags(flags...))
}

func (s onServer) expunge(name mailbox.Name, labels ...string) {
	s.w.t.Helper()
	var uids []mailbox.UID
	for _, label := range labels {
		uids = append(uids, s.uid(name, label))
	}
	s.w.user.Expunge(name, uids...)
}

// copy adds the message to another mailbox as COPY would, date and flags kept.
func (s onServer) copy(from mailbox.Name, label string, to mailbox.Name) {
	s.w.t.Helper()
	for _, m := range s.w.user.Messages(from) {
		if labelOf(m.Octets) == label {
			s.w.user.Append(to, m.Flags, m.Date, m.Octets)
			return
		}
	}
	s.w.t.Fatalf("no %s in %s on the server", label, from)
}
