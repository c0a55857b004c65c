package imapremote

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

func TestAppendReportsEachUploadInOrder(t *testing.T) {
	addr := startDovecot(t, "/", "")
	for name, without := range map[string][]string{
		"groups":           nil,
		"groups that wait": {"LITERAL+", "LITERAL-"},
		"pipelined":        {"MULTIAPPEND"},
		"one by one":       {"MULTIAPPEND", "LITERAL+", "LITERAL-"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(t, addr, strings.ReplaceAll(name, " ", ""))
			opts.Without = without
			a := open(t, opts)
			var uploads []mailbox.Upload
			gone := []int{3, 70}
			for i := range 180 {
				upload := text(message(i))
				if slices.Contains(gone, i) {
					upload.Open = func() (io.ReadCloser, error) { return nil, os.ErrNotExist }
				}
				uploads = append(uploads, upload)
			}
			uploads = append(uploads, text(strings.Repeat("x", groupOctets+1)), text(""), text("end\r\n"))
			empty := len(uploads) - 2 // Dovecot does not take it
			answers, inOrder := 0, !slices.Contains(without, "LITERAL+")
			err := a.Append(t.Context(), mailbox.Inbox, uploads, func(i int, at mailbox.Appended, err error) {
				if i != answers && inOrder {
					t.Errorf("answer %d is for %d", answers, i)
				}
				answers++
				switch {
				case slices.Contains(gone, i):
					if !errors.Is(err, os.ErrNotExist) {
						t.Errorf("%d: %v", i, err)
					}
				case i == empty:
					if err == nil {
						t.Error("the empty message was taken")
					}
				case err != nil || at.UID == 0:
					t.Errorf("%d: %+v, %v", i, at, err)
				}
			})
			if err != nil || answers != len(uploads) {
				t.Errorf("%d answers, %v", answers, err)
			}
			found, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
			if found.Status.Messages != uint32(len(uploads)-len(gone)-1) {
				t.Errorf("%d messages", found.Status.Messages)
			}
			var got bodies
			ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
			if err := a.Fetch(t.Context(), ref, mailbox.UIDs(1, 4), mailbox.Whole, &got); err != nil || inOrder && (got.texts[1] != message(0) || got.texts[4] != message(4)) {
				t.Errorf("%v, %v", err, got.texts)
			}
		})
	}
}

func TestOneRefusedMessageDoesNotCostItsGroup(t *testing.T) {
	for _, test := range []struct {
		group, single string
		commands      int
	}{
		{"NO message is not wanted", "OK [APPENDUID 7 1] done", 4},
		{"NO [OVERQUOTA] full", "NO [OVERQUOTA] full", 4},
		{"NO [TRYCREATE] no mailbox", "", 1},
		{"NO [UNAVAILABLE] later", "", 1},
		{"OK [APPENDUID 7 1:3] done", "", 1},
	} {
		appends := 0
		answer := func() string {
			if appends++; appends == 1 {
				return test.group
			}
			return test.single
		}
		server := startFakeAppend(t, answer)
		a := open(t, options(t, server.addr, "user"))
		var errs []error
		err := a.Append(t.Context(), mailbox.Inbox, []mailbox.Upload{text("a"), text("b"), text("c")}, func(_ int, _ mailbox.Appended, err error) { errs = append(errs, err) })
		if err != nil || len(errs) != 3 || appends != test.commands {
			t.Errorf("%s: %v, %v, %d commands", test.group, err, errs, appends)
		}
		last := test.single
		if last == "" {
			last = test.group
		}
		for _, err := range errs {
			if (err == nil) != strings.HasPrefix(last, "OK") {
				t.Errorf("%s: %v", test.group, err)
			}
		}
	}
}

// startFakeAppend answers each APPEND command.
func startFakeAppend(t *testing.T, answer func() string) *fake {
	return startFake(t, fakeGreeting, func(_ int, line string) []string {
		switch {
		case strings.HasPrefix(line, "AUTHENTICATE"):
			return []string{"OK [CAPABILITY IMAP4rev1 LITERAL+ MULTIAPPEND UIDPLUS] welcome"}
		case strings.HasPrefix(line, "APPEND"):
			return []string{answer()}
		}
		return nil
	})
}
