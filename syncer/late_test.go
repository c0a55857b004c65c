package syncer_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// late is a server that loses a connection with uploads and carries them out
// only after it was looked at so often: they were in its buffer.
type late struct {
	*synctest.Model
	looks   int
	pending func()
}

func (m *late) Append(ctx context.Context, name mailbox.Name, uploads []mailbox.Upload, done func(int, mailbox.Appended, error)) error {
	if m.looks == 0 {
		return m.Model.Append(ctx, name, uploads, done)
	}
	var sent []mailbox.Upload
	for _, upload := range uploads {
		source, err := upload.Open()
		if err != nil {
			return err
		}
		octets, err := io.ReadAll(source)
		if err != nil {
			return err
		}
		upload.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(octets)), nil }
		sent = append(sent, upload)
	}
	m.pending = func() {
		_ = m.Model.Append(context.Background(), name, sent, func(int, mailbox.Appended, error) {})
	}
	return mailbox.ErrNetwork
}

func (m *late) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	seen, err := m.Model.Observe(ctx, name, since, each)
	if m.pending != nil {
		if m.looks--; m.looks == 0 {
			m.pending()
			m.pending = nil
		}
	}
	return seen, err
}

func (m *late) in(o *syncer.Options) { o.Remote, o.RemoteMessages = m, m }

func TestUploadThatArrivesAfterTheConnectionIsLostIsNotDoubled(t *testing.T) {
	for looks := 1; looks <= 2; looks++ {
		w := calmWorld(t, synctest.FullModel())
		w.put("INBOX", 3)
		w.run()
		for _, octets := range []string{"one", "two"} {
			w.fate[octets] = &fate{}
			w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte(octets))
		}
		w.bend((&late{Model: w.model, looks: looks}).in)
		w.settle()
		w.check()
		if n := len(w.server.Messages("INBOX")); n != 5 {
			t.Errorf("%d messages on the server after %d looks", n, looks)
		}
	}
}

// The run that began the uploads was killed, and the next one starts before
// the server is through with them.
func TestUploadThatArrivesAfterTheRunWasKilledIsNotDoubled(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 3)
	w.run()
	w.fate["one"] = &fate{}
	w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte("one"))
	server := &late{Model: w.model, looks: 1}
	killed, kill := context.WithCancel(context.Background())
	options := w.options()
	server.in(&options)
	options.RemoteMessages = killing{server, kill}
	if _, err := syncer.Run(killed, options); err == nil {
		t.Fatal("the run was not killed")
	}
	w.disk.Restart()
	w.bend(server.in) // its first look comes just before the message
	w.settle()
	w.check()
	if n := len(w.server.Messages("INBOX")); n != 4 {
		t.Errorf("%d messages on the server", n)
	}
}

// killing ends the run in the middle of an upload.
type killing struct {
	*late
	kill func()
}

func (m killing) Append(ctx context.Context, name mailbox.Name, uploads []mailbox.Upload, done func(int, mailbox.Appended, error)) error {
	err := m.late.Append(ctx, name, uploads, done)
	m.kill()
	return err
}
