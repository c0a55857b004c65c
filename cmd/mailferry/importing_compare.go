package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/former"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
)

// nameThere reads a name that another program wrote down.
func nameThere(wire string) (mailbox.Name, error) { return imapremote.NameOf(wire, "/") }

// compareAll finds out, mailbox by mailbox, what is still true.
func (i *importing) compareAll(ctx context.Context) error {
	for _, box := range i.boxes {
		if box.name == "" {
			continue // gone from the server: the engine decides what it means
		}
		if err := i.compare(ctx, box); err != nil {
			return fmt.Errorf("%s: %w", box.name, err)
		}
	}
	return nil
}

func (i *importing) compare(ctx context.Context, box *importedBox) error {
	server := former.Server{Identities: map[mailbox.UID]mailbox.Hash{}}
	seen, err := i.both.remote.Observe(ctx, box.name, mailbox.Since{}, func(m mailbox.RemoteMessage) error {
		server.Messages = append(server.Messages, m)
		return nil
	})
	switch {
	case err != nil:
		return err
	case !seen.Complete:
		return fmt.Errorf("%w: try again", mailbox.ErrIncomplete)
	}
	box.status, server.UIDValidity = seen.Status, seen.Status.UIDValidity
	files, err := i.readFiles(ctx, box.at)
	if err != nil {
		return err
	}
	for {
		box.matched = former.Match(box.folder, files, server)
		asked := len(server.Identities)
		if box.matched.Ask.IsEmpty() {
			return nil
		}
		ref := mailbox.Ref{Name: box.name, UIDValidity: server.UIDValidity}
		if err := i.both.remote.Fetch(ctx, ref, box.matched.Ask, mailbox.HeaderOnly, &identitySink{of: server.Identities}); err != nil {
			return err
		}
		if len(server.Identities) == asked {
			return nil // the server does not tell: the engine asks again
		}
	}
}

// readFiles reads all messages of a folder.
func (i *importing) readFiles(ctx context.Context, name mailbox.Name) ([]former.File, error) {
	listed, _, err := i.both.disk.List(ctx, name)
	if err != nil {
		return nil, err
	}
	files := make([]former.File, len(listed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for at := range listed {
		files[at].LocalFile = listed[at]
		group.Go(func() error { return i.readFile(ctx, name, &files[at]) })
	}
	err = group.Wait()
	return slices.DeleteFunc(files, func(f former.File) bool { return f.Content.Hash.IsZero() }), err
}

// readFile reads one message. One that is gone meanwhile matches nothing.
func (i *importing) readFile(ctx context.Context, name mailbox.Name, file *former.File) error {
	content, _, err := i.both.disk.Inspect(ctx, name, file.Key)
	if err != nil {
		return ignoreGone(err)
	}
	message, err := i.both.disk.Open(ctx, name, file.Key)
	if err != nil {
		return ignoreGone(err)
	}
	defer message.Close()
	file.Content = content
	file.Identity, file.TUID, err = former.ReadHeader(message)
	return err
}

func ignoreGone(err error) error {
	if errors.Is(err, mailbox.ErrNotFound) {
		return nil
	}
	return err
}

// identitySink is a FetchSink that keeps of each header what it is known by.
type identitySink struct {
	of   map[mailbox.UID]mailbox.Hash
	last mailbox.Hash
}

// Receive implements mailbox.FetchSink.
func (s *identitySink) Receive(size int64, body io.Reader) error {
	if size != mailbox.UnknownSize {
		body = io.LimitReader(body, size)
	}
	var err error
	if s.last, _, err = former.ReadHeader(body); err == nil {
		_, err = io.Copy(io.Discard, body)
	}
	return err
}

// Row implements mailbox.FetchSink.
func (s *identitySink) Row(uid mailbox.UID) error {
	s.of[uid] = s.last
	return nil
}

// Drop implements mailbox.FetchSink.
func (s *identitySink) Drop(mailbox.UID, error) error { return nil }
