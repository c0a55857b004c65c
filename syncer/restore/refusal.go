package restore

import (
	"context"
	"fmt"

	"mailferry/syncer/mailbox"
)

// errNotOurs is returned for what would change the store.
var errNotOurs = fmt.Errorf("changing the store is %w", mailbox.ErrUnsupported)

// Flush implements syncer.LocalMessages: there is nothing to flush.
func (s *Source) Flush(context.Context) error { return nil }

// Keep implements syncer.LocalMessages and refuses.
func (s *Source) Keep(context.Context, mailbox.Name, mailbox.Flags) (mailbox.Flags, error) {
	return mailbox.Flags{}, errNotOurs
}

// ChangeFlags implements syncer.LocalMessages and refuses.
func (s *Source) ChangeFlags(context.Context, mailbox.Name, mailbox.Key, mailbox.FlagChange) (mailbox.Flags, error) {
	return mailbox.Flags{}, errNotOurs
}

// Remove implements syncer.LocalMessages and refuses.
func (s *Source) Remove(context.Context, mailbox.Name, []mailbox.Key) error { return errNotOurs }

// Move implements syncer.LocalMessages and refuses.
func (s *Source) Move(context.Context, mailbox.Name, mailbox.Key, mailbox.Name, mailbox.Flags) (mailbox.Flags, error) {
	return mailbox.Flags{}, errNotOurs
}

// Sweep implements syncer.LocalFolders: drafts in the store are not this
// run's.
func (s *Source) Sweep(context.Context) error { return nil }

// Create implements syncer.LocalFolders and refuses.
func (s *Source) Create(context.Context, mailbox.Name) error { return errNotOurs }

// Rename implements syncer.LocalFolders and refuses.
func (s *Source) Rename(context.Context, mailbox.Name, mailbox.Name) error { return errNotOurs }

// Delete implements syncer.LocalFolders and refuses.
func (s *Source) Delete(context.Context, mailbox.Name) error { return errNotOurs }
