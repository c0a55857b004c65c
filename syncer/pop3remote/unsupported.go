package pop3remote

import (
	"context"
	"fmt"

	"mailferry/syncer/mailbox"
)

// errUnsupported is returned for all that POP3 has no command for.
var errUnsupported = fmt.Errorf("POP3 can only hand over messages and delete them: this is %w", mailbox.ErrUnsupported)

// Append is not supported.
func (a *Account) Append(context.Context, mailbox.Name, []mailbox.Upload, func(int, mailbox.Appended, error)) error {
	return errUnsupported
}

// StoreFlags is not supported.
func (a *Account) StoreFlags(context.Context, mailbox.Ref, mailbox.UIDSet, mailbox.FlagChange, mailbox.ModSeq) (mailbox.UIDSet, error) {
	return nil, errUnsupported
}

// Copy is not supported.
func (a *Account) Copy(context.Context, mailbox.Ref, mailbox.UIDSet, mailbox.Ref) (map[mailbox.UID]mailbox.UID, error) {
	return nil, errUnsupported
}

// Move is not supported.
func (a *Account) Move(context.Context, mailbox.Ref, mailbox.UIDSet, mailbox.Name) (map[mailbox.UID]mailbox.UID, error) {
	return nil, errUnsupported
}

// Create is not supported.
func (a *Account) Create(context.Context, []mailbox.Name, func(int, mailbox.Observation, error)) error {
	return errUnsupported
}

// Rename is not supported.
func (a *Account) Rename(context.Context, mailbox.Name, mailbox.Name) error { return errUnsupported }

// Delete is not supported.
func (a *Account) Delete(context.Context, mailbox.Name) error { return errUnsupported }
