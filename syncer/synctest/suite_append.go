package synctest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

var appendCases = []remoteSubtest{
	{"AppendKeepsFlagsAndKeywords", func(c *remoteCase) {
		c.Witness.Create(work)
		sets := []mailbox.Flags{
			{}, mailbox.NewFlags(mailbox.FlagSeen), mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagDraft, mailbox.FlagFlagged, mailbox.FlagAnswered, mailbox.FlagDeleted),
			mailbox.NewFlags("$Forwarded", "$Junk", mailbox.FlagSeen),
		}
		var uploads []mailbox.Upload
		for i, flags := range sets {
			uploads = append(uploads, upload(flags, someDate(i), text(i)))
		}
		for i, message := range c.append(work, uploads) {
			if !message.Flags.Equal(sets[i]) {
				c.Errorf("flags %s, want %s", message.Flags, sets[i])
			}
		}
	}},
	{"AppendKeepsTheDate", appendDates},
	{"AppendWithoutADateLeavesItToTheServer", func(c *remoteCase) {
		got := c.append(mailbox.Inbox, []mailbox.Upload{upload(mailbox.Flags{}, mailbox.Date{}, text(1))})
		if !got[0].Date.Known {
			c.Errorf("date %+v", got[0].Date)
		}
	}},
	{"AppendIsExactToTheOctet", appendOdd},
	{"AppendOfABigMessage", func(c *remoteCase) {
		big := BigMessage()
		got := c.append(mailbox.Inbox, []mailbox.Upload{upload(mailbox.Flags{}, someDate(1), text(1)), upload(mailbox.Flags{}, someDate(2), big.Octets)})
		if !bytes.Equal(got[1].Octets, big.Octets) {
			c.Errorf("%d octets, want %d", len(got[1].Octets), len(big.Octets))
		}
	}},
	{"AppendMakesTwoOfIdenticalMessages", func(c *remoteCase) {
		one := upload(mailbox.Flags{}, someDate(1), text(1))
		if got := c.append(mailbox.Inbox, []mailbox.Upload{one, one}); len(got) != 2 {
			c.Errorf("%d messages", len(got))
		}
	}},
	{"AppendOfAThousandMistakesNone", func(c *remoteCase) {
		c.Witness.Create(work)
		var uploads []mailbox.Upload
		for i := range 1000 {
			uploads = append(uploads, upload(mailbox.Flags{}, someDate(i), text(i)))
		}
		for i, message := range c.append(work, uploads) {
			if !bytes.Equal(message.Octets, text(i)) {
				c.Fatalf("message %d is %q", i, message.Octets)
			}
		}
	}},
	{"AppendOfNothingDoesNothing", func(c *remoteCase) {
		if got := c.append(mailbox.Inbox, nil); len(got) != 0 {
			c.Errorf("%d messages", len(got))
		}
	}},
	{"AppendToNoMailboxIsErrNotFound", func(c *remoteCase) {
		var refusal error
		err := c.Messages.Append(c.ctx, "Nowhere", []mailbox.Upload{upload(mailbox.Flags{}, someDate(1), text(1))}, func(_ int, _ mailbox.Appended, err error) { refusal = err })
		wantRefusal(c, "append", errors.Join(err, refusal), mailbox.ErrNotFound)
		if exists, _ := c.Remote.Exists(c.ctx, "Nowhere"); exists {
			c.Error("the mailbox was made")
		}
	}},
	{"AppendOfAMessageThatCannotBeOpenedCostsOnlyThatMessage", func(c *remoteCase) {
		unreadable := errors.New("gone")
		bad := mailbox.Upload{Size: 10, Open: func() (io.ReadCloser, error) { return nil, unreadable }}
		uploads := []mailbox.Upload{upload(mailbox.Flags{}, someDate(1), text(1)), bad, upload(mailbox.Flags{}, someDate(2), text(2))}
		refused := map[int]error{}
		answered := 0
		err := c.Messages.Append(c.ctx, mailbox.Inbox, uploads, func(i int, _ mailbox.Appended, err error) {
			answered++
			if err != nil {
				refused[i] = err
			}
		})
		must(c, "append", err)
		if answered != 3 || len(refused) != 1 || !errors.Is(refused[1], unreadable) {
			c.Errorf("%d answers, refused %v", answered, refused)
		}
		if got := c.Witness.Messages(mailbox.Inbox); len(got) != 2 {
			c.Errorf("%d messages", len(got))
		}
	}},
	{"AppendOfATruncatedMessageStoresNothing", func(c *remoteCase) {
		short := mailbox.Upload{Size: 5000, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("Subject: short\r\n\r\n")), nil
		}}
		var refusal error
		err := c.Messages.Append(c.ctx, mailbox.Inbox, []mailbox.Upload{short}, func(_ int, _ mailbox.Appended, err error) { refusal = err })
		if errors.Join(err, refusal) == nil {
			c.Error("no error")
		}
		if got := c.Witness.Messages(mailbox.Inbox); len(got) != 0 {
			c.Errorf("stored %q", got[0].Octets)
		}
		c.append(mailbox.Inbox, []mailbox.Upload{upload(mailbox.Flags{}, someDate(1), text(1))})
	}},
	{"AppendEndsWhenCancelled", func(c *remoteCase) {
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		err := c.Messages.Append(ctx, mailbox.Inbox, []mailbox.Upload{upload(mailbox.Flags{}, someDate(1), text(1))}, func(int, mailbox.Appended, error) {})
		wantError(c, "append", err, context.Canceled)
		if got := c.Witness.Messages(mailbox.Inbox); len(got) != 0 {
			c.Errorf("%d messages", len(got))
		}
	}},
}

// append uploads, checks what done is told, and returns what is there, in the
// order of the uploads: several connections that take turns keep it nearly.
func (c *remoteCase) append(name mailbox.Name, uploads []mailbox.Upload) []Message {
	c.Helper()
	before := len(c.Witness.Messages(name))
	answers := make([]*mailbox.Appended, len(uploads))
	err := c.Messages.Append(c.ctx, name, uploads, func(i int, at mailbox.Appended, err error) {
		if answers[i] != nil || err != nil {
			c.Errorf("done(%d, %+v, %v) after %v", i, at, err, answers[i])
		}
		answers[i] = &at
	})
	must(c, "append", err)
	messages := c.Witness.Messages(name)[before:]
	if len(messages) != len(uploads) || slices.Contains(answers, nil) {
		c.Fatalf("%d uploads, answers %v, %d messages", len(uploads), answers, len(messages))
	}
	if len(uploads) == 0 {
		return messages
	}
	validity := c.ref(name).UIDValidity
	inOrder := make([]Message, len(uploads))
	for i, at := range answers {
		at := *at
		place := c.place(messages, uploads[i], at)
		want := mailbox.Appended{UID: messages[place].UID, UIDValidity: validity}
		if at != want && (c.UIDPlus || at != mailbox.Appended{}) {
			c.Fatalf("message %d is at %+v, want %+v", i, at, want)
		}
		inOrder[i] = messages[place]
		messages = slices.Delete(messages, place, place+1)
	}
	return inOrder
}

// place finds an upload among the messages that are left: by its UID, or by its
// octets, or else it is the first.
func (c *remoteCase) place(messages []Message, upload mailbox.Upload, at mailbox.Appended) int {
	octets, err := readUpload(upload)
	must(c, "read upload", err)
	return max(0, slices.IndexFunc(messages, func(m Message) bool {
		return at.UID != 0 && m.UID == at.UID || at.UID == 0 && bytes.Equal(m.Octets, octets)
	}))
}

// appendDates compares with what the server makes of the same dates from
// another client: not every one of them keeps those before 1970.
func appendDates(c *remoteCase) {
	zone := func(minutes int) *time.Location { return time.FixedZone("", minutes*60) }
	c.Witness.Create(work)
	c.Witness.Create("Other")
	var uploads []mailbox.Upload
	for i, t := range []time.Time{
		time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(1961, 2, 3, 4, 5, 6, 0, zone(-210)),
		time.Date(2024, 2, 29, 23, 59, 59, 0, zone(14*60)), time.Date(2000, 1, 2, 3, 4, 5, 0, zone(345)), time.Date(2012, 12, 31, 0, 0, 0, 0, zone(-12*60)),
	} {
		date := mailbox.DateOf(t)
		if c.Since1970 && date.Unix < 0 {
			continue
		}
		uploads = append(uploads, upload(mailbox.Flags{}, date, text(i)))
		c.Witness.Append("Other", mailbox.Flags{}, date, text(i))
	}
	want := c.Witness.Messages("Other")
	for i, message := range c.append(work, uploads) {
		if message.Date.Unix != want[i].Date.Unix {
			c.Errorf("%v became %v, from another client %v", uploads[i].Date.Time(), message.Date.Time(), want[i].Date.Time())
		}
	}
}

// appendOdd compares with what the server makes of the same octets from
// another client.
func appendOdd(c *remoteCase) {
	c.Witness.Create(work)
	c.Witness.Create("Other")
	var uploads []mailbox.Upload
	var sent []OddMessage
	for _, odd := range OddMessages() {
		if c.Takes != nil && !c.Takes(odd) {
			continue
		}
		uploads, sent = append(uploads, upload(mailbox.Flags{}, someDate(1), odd.Octets)), append(sent, odd)
		c.Witness.Append("Other", mailbox.Flags{}, someDate(1), odd.Octets)
	}
	want := c.Witness.Messages("Other")
	for i, message := range c.append(work, uploads) {
		if !bytes.Equal(message.Octets, want[i].Octets) {
			c.Errorf("%s: %.80q, from another client %.80q", sent[i].Name, message.Octets, want[i].Octets)
		}
	}
}
