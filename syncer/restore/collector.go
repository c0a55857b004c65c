package restore

import (
	"context"
	"io"

	"mailferry/syncer/mailbox"
)

// Shelf is the store's Maildir tree, as far as a run needs it that only brings
// new mail.
type Shelf interface {
	Disk
	Receive(ctx context.Context, name mailbox.Name, size int64, body io.Reader) (mailbox.Draft, error)
	Seal(ctx context.Context, drafts []mailbox.Draft) error
	Publish(ctx context.Context, drafts []mailbox.Draft) error
	Discard(ctx context.Context, drafts []mailbox.Draft) error
	Keep(ctx context.Context, name mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error)
	Create(ctx context.Context, name mailbox.Name) error
	Sweep(ctx context.Context) error
}

// Collector is a store under the names of another server that also takes new
// messages and mailboxes. It implements the local ports of package syncer, and
// removes and changes nothing.
type Collector struct {
	*Source
	shelf Shelf
}

// NewCollector gives the store's folders the names of choices. Mailboxes that
// are none of these have the same name on both sides.
func NewCollector(ctx context.Context, shelf Shelf, choices []Choice) (*Collector, error) {
	source, err := NewSource(ctx, shelf, nil, choices)
	if err != nil {
		return nil, err
	}
	source.isOpen = true
	return &Collector{source, shelf}, nil
}

// Receive implements syncer.LocalDelivery. The draft has the folder's name.
func (c *Collector) Receive(ctx context.Context, name mailbox.Name, size int64, body io.Reader) (mailbox.Draft, error) {
	folder, err := c.folder(name)
	if err != nil {
		return mailbox.Draft{}, err
	}
	return c.shelf.Receive(ctx, folder, size, body)
}

// Seal implements syncer.LocalDelivery.
func (c *Collector) Seal(ctx context.Context, drafts []mailbox.Draft) error {
	return c.shelf.Seal(ctx, drafts)
}

// Publish implements syncer.LocalDelivery.
func (c *Collector) Publish(ctx context.Context, drafts []mailbox.Draft) error {
	return c.shelf.Publish(ctx, drafts)
}

// Discard implements syncer.LocalDelivery.
func (c *Collector) Discard(ctx context.Context, drafts []mailbox.Draft) error {
	return c.shelf.Discard(ctx, drafts)
}

// Keep implements syncer.LocalMessages.
func (c *Collector) Keep(ctx context.Context, name mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error) {
	folder, err := c.folder(name)
	if err != nil {
		return mailbox.Flags{}, err
	}
	return c.shelf.Keep(ctx, folder, flags)
}

// Create implements syncer.LocalFolders.
func (c *Collector) Create(ctx context.Context, name mailbox.Name) error {
	folder, err := c.folder(name)
	if err != nil {
		return err
	}
	return c.shelf.Create(ctx, folder)
}

// Sweep implements syncer.LocalFolders.
func (c *Collector) Sweep(ctx context.Context) error { return c.shelf.Sweep(ctx) }
