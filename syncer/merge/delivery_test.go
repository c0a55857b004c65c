package merge_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

// taken is a target in memory.
type taken struct {
	n        int
	drafts   map[mailbox.Key]string
	messages []takenMessage
}

type takenMessage struct {
	mailbox.Draft
	text string
}

func (d *taken) Create(context.Context, mailbox.Name) error { return nil }
func (d *taken) Receive(_ context.Context, name mailbox.Name, size int64, body io.Reader) (mailbox.Draft, error) {
	octets, err := io.ReadAll(body)
	if err == nil && int64(len(octets)) != size {
		err = io.ErrUnexpectedEOF
	}
	if d.drafts == nil {
		d.drafts = map[mailbox.Key]string{}
	}
	d.n++
	key := mailbox.Key(fmt.Sprint(d.n))
	d.drafts[key] = string(octets)
	return mailbox.Draft{Name: name, Key: key, Content: mailbox.Content{Size: size, Hash: hashText(string(octets))}}, err
}
func (d *taken) Seal(context.Context, []mailbox.Draft) error { return nil }
func (d *taken) Publish(_ context.Context, drafts []mailbox.Draft) error {
	for _, draft := range drafts {
		d.messages = append(d.messages, takenMessage{draft, d.drafts[draft.Key]})
	}
	return nil
}
func (d *taken) Discard(context.Context, []mailbox.Draft) error { return nil }

var testNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// open recognises a source, as the command does.
func open(tb testing.TB, dir string) merge.Source {
	tb.Helper()
	kind, err := merge.Recognise(dir)
	if err != nil {
		tb.Fatal(err)
	}
	source, err := merge.NewFiles(kind, dir, dir)
	if err != nil {
		tb.Fatal(err)
	}
	return source
}

// unionOf scans sources with indexes in a folder.
func unionOf(tb testing.TB, indexes string, sources ...merge.Source) *merge.Union {
	tb.Helper()
	u := merge.NewUnion(testNow)
	for _, source := range sources {
		scanned, err := merge.Scan(context.Background(), source, indexes, nil)
		if err != nil {
			tb.Fatal(err)
		}
		if err := u.Add(scanned, false); err != nil {
			tb.Fatal(err)
		}
	}
	u.Join()
	return u
}

func reportOf(tb testing.TB, u *merge.Union) merge.Report {
	tb.Helper()
	report, err := u.Report(plainMapping(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return report
}

func plainMapping(tb testing.TB) *merge.Mapping {
	tb.Helper()
	mapping, err := merge.NewMapping(nil, "", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return mapping
}

// deliver brings all messages of a union into memory.
func deliver(tb testing.TB, u *merge.Union) []takenMessage {
	tb.Helper()
	outbox, err := u.Outbox(plainMapping(tb))
	if err != nil {
		tb.Fatal(err)
	}
	to := &taken{}
	done, err := outbox.Deliver(context.Background(), to, nil, nil)
	if err != nil || done.Failed > 0 {
		tb.Fatalf("%v, %v", err, done.Failures)
	}
	return to.messages
}
