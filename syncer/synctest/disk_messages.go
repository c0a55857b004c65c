package synctest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mailferry/syncer/mailbox"
)

var errUnsealed = errors.New("model: the draft was not sealed")

// Receive implements syncer.LocalDelivery.
func (d *Disk) Receive(ctx context.Context, name mailbox.Name, size int64, body io.Reader) (mailbox.Draft, error) {
	if _, err := d.begin(ctx, "Receive"); err != nil {
		return mailbox.Draft{}, err
	}
	if size != mailbox.UnknownSize {
		body = io.LimitReader(body, size)
	}
	octets, err := io.ReadAll(body)
	if err == nil && int64(len(octets)) < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return mailbox.Draft{}, fmt.Errorf("model: receive for %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, err := d.find(name)
	if err != nil {
		return mailbox.Draft{}, err
	}
	draft := mailbox.Draft{Name: name, Key: d.newKey("m"), Content: ContentOf(octets)}
	return draft, d.fuse.around(func() {
		folder.drafts[draft.Key] = &diskDraft{octets: octets, process: d.process}
	})
}

// Duplicate implements syncer.LocalCopies.
func (d *Disk) Duplicate(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name, date mailbox.Date) (mailbox.Draft, error) {
	if _, err := d.begin(ctx, "Duplicate"); err != nil {
		return mailbox.Draft{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, file, err := d.findFile(from, key)
	if err != nil {
		return mailbox.Draft{}, err
	}
	folder, err := d.find(to)
	if err != nil {
		return mailbox.Draft{}, err
	}
	draft := mailbox.Draft{Name: to, Key: d.newKey("m"), Content: ContentOf(file.Octets)}
	return draft, d.fuse.around(func() {
		folder.drafts[draft.Key] = &diskDraft{octets: file.Octets, process: d.process}
	})
}

// findDraft returns a draft's folder and file.
func (d *Disk) findDraft(draft mailbox.Draft) (*diskFolder, *diskDraft, error) {
	folder, err := d.find(draft.Name)
	if err != nil {
		return nil, nil, err
	}
	if folder.drafts[draft.Key] == nil {
		return nil, nil, fmt.Errorf("model: draft %s of %s: %w", draft.Key, draft.Name, mailbox.ErrNotFound)
	}
	return folder, folder.drafts[draft.Key], nil
}

// Seal implements syncer.LocalDelivery.
func (d *Disk) Seal(ctx context.Context, drafts []mailbox.Draft) error {
	if _, err := d.begin(ctx, "Seal"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, draft := range drafts {
		_, file, err := d.findDraft(draft)
		if err != nil {
			return err
		}
		err = d.fuse.around(func() { file.date, file.sealed = draft.Date, true })
		if err != nil {
			return err
		}
	}
	return nil
}

// Publish implements syncer.LocalDelivery.
func (d *Disk) Publish(ctx context.Context, drafts []mailbox.Draft) error {
	if _, err := d.begin(ctx, "Publish"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var published []*diskFile
	for _, draft := range drafts {
		folder, sealed, err := d.findDraft(draft)
		if err != nil {
			return err
		}
		if !sealed.sealed {
			return fmt.Errorf("%w: %s", errUnsealed, draft.Key)
		}
		flags := d.keep(folder, draft.Flags, true)
		file := &diskFile{durable: flags, File: File{
			Key: draft.Key, Flags: flags, Date: sealed.date, Octets: sealed.octets, New: flags.IsEmpty(),
		}}
		err = d.fuse.around(func() {
			delete(folder.drafts, draft.Key)
			folder.files[draft.Key] = file
			d.touch(folder)
		})
		if err != nil {
			return err
		}
		published = append(published, file)
	}
	for _, file := range published {
		file.published = true
	}
	return nil
}

// Discard implements syncer.LocalDelivery.
func (d *Disk) Discard(ctx context.Context, drafts []mailbox.Draft) error {
	if _, err := d.begin(ctx, "Discard"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, draft := range drafts {
		folder, err := d.find(draft.Name)
		if err != nil {
			continue
		}
		if err := d.fuse.around(func() { delete(folder.drafts, draft.Key) }); err != nil {
			return err
		}
	}
	return nil
}

// Keep implements syncer.LocalMessages.
func (d *Disk) Keep(ctx context.Context, name mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error) {
	if _, err := d.begin(ctx, "Keep"); err != nil {
		return mailbox.Flags{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, err := d.find(name)
	if err != nil {
		return mailbox.Flags{}, err
	}
	return d.keep(folder, flags, true), nil
}

// ChangeFlags implements syncer.LocalMessages.
func (d *Disk) ChangeFlags(ctx context.Context, name mailbox.Name, key mailbox.Key, change mailbox.FlagChange) (mailbox.Flags, error) {
	if _, err := d.begin(ctx, "ChangeFlags"); err != nil {
		return mailbox.Flags{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, file, err := d.findFile(name, key)
	if err != nil {
		return mailbox.Flags{}, err
	}
	flags := d.keep(folder, change.Apply(file.Flags), true)
	if flags.Equal(file.Flags) {
		return flags, nil
	}
	err = d.fuse.around(func() {
		file.Flags, file.New = flags, false
		d.touch(folder)
	})
	return flags, err
}

// Remove implements syncer.LocalMessages.
func (d *Disk) Remove(ctx context.Context, name mailbox.Name, keys []mailbox.Key) error {
	if _, err := d.begin(ctx, "Remove"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, err := d.find(name)
	if err != nil {
		return err
	}
	for _, key := range keys {
		file := folder.files[key]
		if file == nil {
			continue
		}
		err := d.fuse.around(func() {
			delete(folder.files, key)
			d.trash = append(d.trash, trashed{name: name, file: file})
			d.touch(folder)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Flush implements syncer.LocalMessages.
func (d *Disk) Flush(ctx context.Context) error {
	if _, err := d.begin(ctx, "Flush"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fuse.around(func() {
		for _, folder := range d.folders {
			for _, file := range folder.files {
				file.durable = file.Flags
			}
		}
		for i := range d.trash {
			d.trash[i].durable = true
		}
	})
}

// Persist implements syncer.LocalMessages.
func (d *Disk) Persist(ctx context.Context, name mailbox.Name, keys []mailbox.Key) error {
	return d.change(ctx, "Persist", func() (func(), error) {
		folder, err := d.find(name)
		if err != nil {
			return nil, err
		}
		return func() {
			for _, file := range folder.files {
				file.published, file.durable = true, file.Flags
			}
		}, nil
	})
}

// Move implements syncer.LocalMessages.
func (d *Disk) Move(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name, flags mailbox.Flags) (held mailbox.Flags, err error) {
	err = d.change(ctx, "Move", func() (func(), error) {
		source, file, err := d.findFile(from, key)
		if err != nil {
			return nil, err
		}
		target, err := d.find(to)
		if err != nil {
			return nil, err
		}
		if target.files[key] != nil {
			return nil, fmt.Errorf("model: %s has %s: %w", to, key, mailbox.ErrExists)
		}
		return func() {
			delete(source.files, key)
			held = d.keep(target, flags, true)
			file.Flags, file.New = held, held.IsEmpty()
			target.files[key] = file
			d.touch(source)
			d.touch(target)
		}, nil
	})
	return held, err
}
