package imapremote

import (
	"errors"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// observing answers SELECT, FETCH and SEARCH as a mailbox of 3 messages does
// that gave these answers.
func observing(selected, fetch, search []string) script {
	return func(_ int, line string) []string {
		switch {
		case strings.HasPrefix(line, "SELECT"), strings.HasPrefix(line, "EXAMINE"):
			return append(append([]string{}, selected...), "OK [READ-WRITE] done")
		case strings.HasPrefix(line, "UID FETCH"):
			return append(append([]string{}, fetch...), "OK done")
		case strings.HasPrefix(line, "UID SEARCH"):
			return append(append([]string{}, search...), "OK done")
		}
		return nil
	}
}

var (
	three     = []string{"* 3 EXISTS", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 10] ok", "* OK [HIGHESTMODSEQ 50] ok"}
	threeRows = []string{
		`* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 10 INTERNALDATE "17-Jul-1996 02:44:25 -0700")`,
		`* 2 FETCH (UID 5 FLAGS () RFC822.SIZE 10 INTERNALDATE "17-Jul-1996 02:44:25 -0700")`,
		`* 3 FETCH (UID 9 FLAGS () RFC822.SIZE 10 INTERNALDATE "17-Jul-1996 02:44:25 -0700")`,
	}
	all3     = []string{`* ESEARCH (TAG "@") UID ALL 1,5,9`}
	baseline = mailbox.Since{Remote: mailbox.Status{UIDValidity: 7, UIDNext: 9, HighestModSeq: 40, Messages: 2}, Below: 2}
)

func with(lines []string, more ...string) []string {
	return append(append([]string{}, lines...), more...)
}

func TestObserveIsCompleteOnlyIfProven(t *testing.T) {
	for _, test := range []struct {
		name                    string
		since                   mailbox.Since
		selected, fetch, search []string
		complete, delta         bool
		present, spoiled, rows  string
	}{
		{"all rows", mailbox.Since{}, three, threeRows, nil, true, false, "1,5,9", "", "1,5,9"},
		{"rows out of order", mailbox.Since{}, three, []string{threeRows[2], threeRows[0], threeRows[1]}, nil, true, false, "1,5,9", "", "1,5,9"},
		{"rows missing", mailbox.Since{}, three, threeRows[:2], all3, true, false, "1,5,9", "9", "1,5"},
		{"rows and search results missing", mailbox.Since{}, three, threeRows[:2], []string{`* ESEARCH (TAG "@") UID ALL 1,5`}, false, false, "", "", "1,5"},
		{"OK and nothing", mailbox.Since{}, three, nil, []string{`* ESEARCH (TAG "@") UID`}, false, false, "", "", ""},
		{"a row twice, alike", mailbox.Since{}, three, with(threeRows[:2], threeRows[1]), []string{`* ESEARCH (TAG "@") UID ALL 1,5`}, false, false, "", "", "1,5"},
		{"a row twice, contradicting", mailbox.Since{}, three, with(threeRows, strings.Replace(threeRows[1], "SIZE 10", "SIZE 11", 1)), all3, false, false, "", "", "1,5,9"},
		{"a message came meanwhile", mailbox.Since{}, three, with(threeRows, "* 4 EXISTS"), []string{`* ESEARCH (TAG "@") UID ALL 1,5,9,10`}, true, false, "1,5,9:10", "", "1,5,9"},
		{"a message went meanwhile", mailbox.Since{}, three, with(threeRows, "* 1 EXPUNGE"), all3, false, false, "", "", "1,5,9"},
		{"search is capped while messages go", mailbox.Since{}, three, threeRows[:2], []string{`* ESEARCH (TAG "@") UID ALL 1,5`, "* 1 EXPUNGE"}, false, false, "", "", "1,5"},
		{"search is capped while messages come", mailbox.Since{}, three, threeRows[:2], []string{`* ESEARCH (TAG "@") UID ALL 1,9:10`, "* 4 EXISTS"}, false, false, "", "", "1,5"},
		{"a row without size", mailbox.Since{}, three, with(threeRows[:2], "* 3 FETCH (UID 9 FLAGS ())"), nil, true, false, "1,5,9", "9", "1,5"},
		{"empty", mailbox.Since{}, with([]string{"* 0 EXISTS"}, three[1:]...), []string{"BAD no messages"}, nil, true, false, "", "", ""},
		{"delta that adds up", baseline, three, threeRows[2:], nil, true, true, "", "", "9"},
		{"delta that does not", mailbox.Since{Remote: baseline.Remote, Below: 3}, three, threeRows[2:], all3, true, true, "1,5,9", "", "9"},
		{"delta whose proof does not add up", mailbox.Since{Remote: baseline.Remote, Below: 3}, three, threeRows[2:], []string{`* ESEARCH (TAG "@") UID ALL 9`}, false, true, "", "", "9"},
		{"delta without the new row, nor with all rows", baseline, three, nil, all3, true, false, "1,5,9", "1,5,9", ""},
		{"validity changed", mailbox.Since{Remote: mailbox.Status{UIDValidity: 6, UIDNext: 9, HighestModSeq: 40}, Below: 2}, three, threeRows, nil, true, false, "1,5,9", "", "1,5,9"},
		{"modseq went back", mailbox.Since{Remote: mailbox.Status{UIDValidity: 7, UIDNext: 9, HighestModSeq: 60}, Below: 2}, three, threeRows, nil, true, false, "1,5,9", "", "1,5,9"},
		{"uidnext went back", mailbox.Since{Remote: mailbox.Status{UIDValidity: 7, UIDNext: 90, HighestModSeq: 40}, Below: 2}, three, threeRows, nil, true, false, "1,5,9", "", "1,5,9"},
		{"no validity", mailbox.Since{Remote: mailbox.Status{UIDNext: 9, HighestModSeq: 40}, Below: 2}, []string{"* 3 EXISTS"}, threeRows, nil, true, false, "1,5,9", "", "1,5,9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := startFake(t, fakeGreeting, observing(test.selected, test.fetch, test.search))
			a := open(t, options(t, server.addr, "user"))
			found, rows := look(t, a, mailbox.Inbox, test.since)
			if found.Complete != test.complete || found.Delta != test.delta {
				t.Errorf("complete %v, delta %v", found.Complete, found.Delta)
			}
			if found.HasPresent && !found.Complete || found.Present.String() != test.present || found.Spoiled.String() != test.spoiled {
				t.Errorf("present %q (%v), spoiled %q", found.Present, found.HasPresent, found.Spoiled)
			}
			var uids mailbox.UIDSet
			for _, row := range rows {
				uids = uids.Append(row.UID)
			}
			if uids.String() != test.rows || uids.Len() != len(rows) {
				t.Errorf("rows %q (%d)", uids, len(rows))
			}
			if t.Failed() {
				t.Logf("%q", server.commands())
			}
		})
	}
}

func TestObserveListsAllWhereANewMessageDidNotChangeSince(t *testing.T) {
	server := startFake(t, fakeGreeting, func(_ int, line string) []string {
		if strings.Contains(line, "CHANGEDSINCE") {
			return []string{"OK done"}
		}
		return observing(three, threeRows, all3)(0, line)
	})
	a := open(t, options(t, server.addr, "user"))
	found, rows := look(t, a, mailbox.Inbox, baseline)
	if !found.Complete || found.Delta || !found.Spoiled.IsEmpty() || len(rows) != 3 || !rows[2].HasSize {
		t.Errorf("%+v, %d rows; %q", found, len(rows), server.commands())
	}
}

func TestObserveAsksForFlagsOnlyOfKnownMessagesWithoutCondStore(t *testing.T) {
	server := startFake(t, fakeGreeting, func(_ int, line string) []string {
		switch {
		case strings.HasPrefix(line, "UID FETCH 1:8"):
			return []string{"* 1 FETCH (UID 1 FLAGS (\\Seen))", "* 2 FETCH (UID 5 FLAGS ())", "OK done"}
		case strings.HasPrefix(line, "UID FETCH 9:*"):
			return []string{threeRows[2], "OK done"}
		}
		return observing(three, nil, nil)(0, line)
	})
	opts := options(t, server.addr, "user")
	opts.Without = []string{"CONDSTORE"}
	a := open(t, opts)
	found, rows := look(t, a, mailbox.Inbox, baseline)
	if !found.Complete || found.Delta || found.Present.String() != "1,5,9" || len(rows) != 3 || rows[0].HasSize || !rows[2].HasSize {
		t.Errorf("%+v, %+v; %q", found, rows, server.commands())
	}
	unchanged := baseline
	unchanged.Remote.UIDNext, unchanged.Below = 10, 3
	before := server.count("UID FETCH")
	look(t, a, mailbox.Inbox, unchanged)
	if n := server.count("UID FETCH") - before; n != 1 {
		t.Errorf("%d commands to see that there is nothing new", n)
	}
}

func TestExistsIsFalseOnlyIfProven(t *testing.T) {
	for _, test := range []struct {
		list, status string
		exists, fail bool
	}{
		{`* LIST () "/" box`, "OK fine", true, false},
		{`* LIST () "/" box`, "NO Mailbox doesn't exist: box", false, false},
		{`* LIST () "/" box`, "NO [NONEXISTENT] gone", false, false},
		{`* LIST () "/" box`, "NO not now", false, true},
		{`* LIST () "/" box`, "NO [SERVERBUG] it doesn't exist, I think", false, true},
		{`* LIST (\NoSelect) "/" box`, "NO no such mailbox", false, false},
		{`* LIST (\NoSelect) "/" box`, "NO [INUSE] busy", false, true},
		{`* LIST () "/" "box2"`, "NO [NONEXISTENT] gone", false, false},
		{"", "NO no such mailbox", false, false},
		{"", "NO [UNAVAILABLE] busy", false, true},
		{"", "NO [INUSE] busy", false, true},
		{"", "NO [NOPERM] not yours", false, true},
		{"", "NO [LIMIT] slow down", false, true},
		{"", "BAD what", false, true},
		{"", "OK fine", true, false},
		{"", "HANGUP", false, true},
	} {
		server := startFake(t, fakeGreeting, func(_ int, line string) []string {
			switch {
			case strings.HasPrefix(line, "LIST") && strings.Contains(line, "box"):
				if test.list == "" {
					return []string{"OK done"}
				}
				return []string{test.list, "OK done"}
			case strings.HasPrefix(line, "STATUS"):
				if test.exists {
					return []string{"* STATUS box (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1)", test.status}
				}
				return []string{test.status}
			}
			return nil
		})
		a := open(t, options(t, server.addr, "user"))
		exists, err := a.Exists(t.Context(), "box")
		if exists != test.exists || (err != nil) != test.fail {
			t.Errorf("%q, %q: %v, %v", test.list, test.status, exists, err)
		}
	}
}

func TestMoveExpungesOnlyAfterTheCopyIsAnswered(t *testing.T) {
	for _, test := range []struct{ copied, expunged string }{
		{"OK [COPYUID 3 1,5 1:2] done", "UID EXPUNGE 1,5"},
		{"OK [COPYUID 3 5 2] done", "UID EXPUNGE 5"},
		{"OK done", "UID EXPUNGE 1,5"},
		{"OK [COPYUID 3 1:4294967295 1:4294967295] done", ""},
		{"OK [COPYUID 3 1,5 1] done", ""},
		{"NO over quota", ""},
		{"NO [TRYCREATE] no such mailbox", ""},
		{"HANGUP", ""},
	} {
		server := startFake(t, fakeGreeting, func(_ int, line string) []string {
			if strings.HasPrefix(line, "UID COPY") {
				return []string{test.copied}
			}
			return observing(three, threeRows, all3)(0, line)
		})
		a := open(t, options(t, server.addr, "user"))
		_, err := a.Move(t.Context(), mailbox.Ref{Name: mailbox.Inbox, UIDValidity: 7}, mailbox.UIDs(1, 5), "target")
		if strings.HasPrefix(test.copied, "OK") != (err == nil) {
			t.Errorf("%s: %v", test.copied, err)
		}
		expunged := ""
		for _, line := range server.commands() {
			if strings.Contains(line, "EXPUNGE") || strings.Contains(line, "CLOSE") {
				expunged += line
			}
		}
		if expunged != test.expunged {
			t.Errorf("%s: %q; %q", test.copied, expunged, server.commands())
		}
	}
}

func TestExpungeSendsNothingAfterARefusedStore(t *testing.T) {
	for _, answer := range []string{"NO no", "BAD no", "HANGUP"} {
		server := startFake(t, fakeGreeting, func(_ int, line string) []string {
			if strings.HasPrefix(line, "UID STORE") {
				return []string{answer}
			}
			return observing(three, threeRows, all3)(0, line)
		})
		a := open(t, options(t, server.addr, "user"))
		_, err := a.Expunge(t.Context(), mailbox.Ref{Name: mailbox.Inbox, UIDValidity: 7}, mailbox.UIDs(1, 5), 0)
		if err == nil || server.count("UID EXPUNGE") != 0 {
			t.Errorf("%s: %v, %q", answer, err, server.commands())
		}
	}
}

func TestNothingIsDestroyedWithoutUIDValidity(t *testing.T) {
	server := startFake(t, fakeGreeting, observing([]string{"* 3 EXISTS"}, threeRows, all3))
	a := open(t, options(t, server.addr, "user"))
	ref := mailbox.Ref{Name: mailbox.Inbox}
	if _, err := a.Expunge(t.Context(), ref, mailbox.UIDs(1), 0); !errors.Is(err, mailbox.ErrUIDValidity) {
		t.Errorf("expunge: %v", err)
	}
	if _, err := a.Move(t.Context(), ref, mailbox.UIDs(1), "target"); !errors.Is(err, mailbox.ErrUIDValidity) {
		t.Errorf("move: %v", err)
	}
	if server.count("UID") > 0 {
		t.Errorf("%q", server.commands())
	}
}

func TestGuardStopsTheFallbackOfMove(t *testing.T) {
	server := startFake(t, fakeGreeting, observing(three, threeRows, all3))
	a := open(t, options(t, server.addr, "user"))
	s, err := a.pool.acquire(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	defer a.pool.release(s)
	_, err = s.client.Move(numSet(mailbox.UIDs(1)), "target").Wait() // the server has no MOVE
	if err == nil {
		t.Error("no error")
	}
	for _, line := range server.commands() {
		if strings.Contains(line, "EXPUNGE") || strings.Contains(line, "STORE") {
			t.Errorf("sent %q", line)
		}
	}
}

func TestTooLargeMessagesAreNotSent(t *testing.T) {
	server := startFake(t, fakeGreeting, func(_ int, line string) []string {
		if strings.HasPrefix(line, "AUTHENTICATE") {
			return []string{"OK [CAPABILITY IMAP4rev1 APPENDLIMIT=10] welcome"}
		}
		return nil
	})
	a := open(t, options(t, server.addr, "user"))
	answers := 0
	err := a.Append(t.Context(), mailbox.Inbox, []mailbox.Upload{text(strings.Repeat("x", 11)), text(strings.Repeat("x", 12))}, func(_ int, _ mailbox.Appended, err error) {
		answers++
		if !errors.Is(err, mailbox.ErrTooLarge) {
			t.Error(err)
		}
	})
	if err != nil || answers != 2 || server.count("APPEND") != 0 {
		t.Errorf("%d answers, %v, %q", answers, err, server.commands())
	}
}

func TestSetsAreSplitToFitACommandLine(t *testing.T) {
	var set mailbox.UIDSet
	for uid := mailbox.UID(1); uid < 20_000; uid += 2 {
		set = set.Append(uid)
	}
	set = set.Union(mailbox.Range(30_000, mailbox.MaxUID))
	var all mailbox.UIDSet
	for _, some := range splitSet(set, 100) {
		if text := some.String(); len(text) > 100 || text == "" {
			t.Errorf("%d octets", len(text))
		}
		all = all.Union(some)
	}
	if all.String() != set.String() {
		t.Error("the parts are not the whole")
	}
	if splitSet(nil, 100) != nil {
		t.Error("an empty set has parts")
	}
}
