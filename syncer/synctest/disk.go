package synctest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// maildirRoom is how many keywords a Maildir has letters for: a to z.
const maildirRoom = 26

// DiskOptions varies a Disk. The zero value is a Maildir.
type DiskOptions struct {
	// Room for keywords in each folder; 0 is 26, and less than 0 is none.
	Room int
	// Fuse, if not nil, kills the process under test.
	Fuse *Fuse
}

// Disk is a Maildir tree in memory: the meaning of the ports Local,
// LocalDelivery, LocalMessages and LocalFolders. It is deterministic. What
// the ports call durable outlives a PowerCut, and nothing else is sure to.
type Disk struct {
	port
	room int

	mu      sync.Mutex
	folders map[mailbox.Name]*diskFolder
	trash   []trashed
	clock   int64 // of Stamps: each change is a tick
	made    int   // keys given
	process int   // how many times the process was started
}

var (
	_ syncer.Local         = (*Disk)(nil)
	_ syncer.LocalDelivery = (*Disk)(nil)
	_ syncer.LocalCopies   = (*Disk)(nil)
	_ syncer.LocalStream   = (*Disk)(nil)
	_ syncer.LocalMessages = (*Disk)(nil)
	_ syncer.LocalFolders  = (*Disk)(nil)
)

type diskFolder struct {
	files    map[mailbox.Key]*diskFile
	drafts   map[mailbox.Key]*diskDraft
	keywords []string
	stamp    mailbox.Stamp
}

type diskFile struct {
	File
	// durable is what a power cut leaves of the flags for sure.
	durable mailbox.Flags
	// published says that Publish has returned since the file got its name.
	published bool
}

type diskDraft struct {
	octets  []byte
	date    mailbox.Date
	sealed  bool
	process int
}

// trashed is a file in the store's trash.
type trashed struct {
	name    mailbox.Name
	file    *diskFile
	days    int
	durable bool
}

// NewDisk makes a tree without folders.
func NewDisk(opts DiskOptions) *Disk {
	room := opts.Room
	switch {
	case room == 0:
		room = maildirRoom
	case room < 0:
		room = 0
	}
	return &Disk{port: port{fuse: opts.Fuse}, room: room, folders: map[mailbox.Name]*diskFolder{}}
}

func (d *Disk) tick() int64 {
	d.clock++
	return d.clock
}

func (d *Disk) newKey(prefix string) mailbox.Key {
	d.made++
	return mailbox.Key(fmt.Sprintf("%s%06d", prefix, d.made))
}

func (d *Disk) create(name mailbox.Name) *diskFolder {
	folder := &diskFolder{files: map[mailbox.Key]*diskFile{}, drafts: map[mailbox.Key]*diskDraft{}}
	now := d.tick()
	folder.stamp = mailbox.Stamp{Cur: now, New: now}
	d.folders[name] = folder
	return folder
}

// touch makes a folder's stamp differ from what it was.
func (d *Disk) touch(folder *diskFolder) {
	now := d.tick()
	folder.stamp.Cur, folder.stamp.New = now, now
}

func (d *Disk) find(name mailbox.Name) (*diskFolder, error) {
	folder := d.folders[name]
	if folder == nil {
		return nil, fmt.Errorf("model: folder %s: %w", name, mailbox.ErrNotFound)
	}
	return folder, nil
}

func (d *Disk) findFile(name mailbox.Name, key mailbox.Key) (*diskFolder, *diskFile, error) {
	folder, err := d.find(name)
	if err != nil {
		return nil, nil, err
	}
	file := folder.files[key]
	if file == nil {
		return nil, nil, fmt.Errorf("model: %s: %s: %w", name, key, mailbox.ErrNotFound)
	}
	return folder, file, nil
}

// keep returns those of flags that the folder can hold, and with learn makes
// room for new keywords as long as there is any.
func (d *Disk) keep(folder *diskFolder, flags mailbox.Flags, learn bool) mailbox.Flags {
	kept := flags.Minus(flags.OnlyKeywords())
	for _, keyword := range flags.Keywords() {
		name := mailbox.NewFlags(keyword)
		known := name.Equal(mailbox.NewFlags(mailbox.FlagForwarded)) ||
			slices.ContainsFunc(folder.keywords, func(k string) bool { return name.Has(k) })
		if !known && learn && len(folder.keywords) < d.room {
			folder.keywords = append(folder.keywords, keyword)
			folder.stamp.Keywords = d.tick()
			known = true
		}
		if known {
			kept = kept.Union(name)
		}
	}
	return kept
}

// Folders implements syncer.Local.
func (d *Disk) Folders(ctx context.Context) ([]mailbox.Name, error) {
	if _, err := d.begin(ctx, "Folders"); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.folders)), nil
}

// Stamp implements syncer.Local.
func (d *Disk) Stamp(ctx context.Context, name mailbox.Name) (mailbox.Stamp, error) {
	if _, err := d.begin(ctx, "Stamp"); err != nil {
		return mailbox.Stamp{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, err := d.find(name)
	if err != nil {
		return mailbox.Stamp{}, err
	}
	return d.stampOf(folder), nil
}

func (d *Disk) stampOf(folder *diskFolder) mailbox.Stamp {
	stamp := folder.stamp
	stamp.Taken = d.tick()
	return stamp
}

// Tally implements syncer.Local.
func (d *Disk) Tally(ctx context.Context, name mailbox.Name) (mailbox.Tally, mailbox.Stamp, error) {
	files, stamp, err := d.List(ctx, name)
	var tally mailbox.Tally
	for _, file := range files {
		tally.Add(file.Key, file.Flags)
	}
	return tally, stamp, err
}

// List implements syncer.Local.
func (d *Disk) List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error) {
	if _, err := d.begin(ctx, "List"); err != nil {
		return nil, mailbox.Stamp{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, err := d.find(name)
	if err != nil {
		return nil, mailbox.Stamp{}, err
	}
	var messages []mailbox.LocalFile
	for _, key := range slices.Sorted(maps.Keys(folder.files)) {
		messages = append(messages, mailbox.LocalFile{Key: key, Flags: folder.files[key].Flags})
	}
	return messages, d.stampOf(folder), nil
}

// Each implements syncer.LocalStream.
func (d *Disk) Each(ctx context.Context, name mailbox.Name, each func(mailbox.LocalFile) error) error {
	files, _, err := d.List(ctx, name)
	for _, file := range slices.Backward(files) { // the port promises no order
		if err := each(file); err != nil {
			return err
		}
	}
	return err
}

// Inspect implements syncer.Local.
func (d *Disk) Inspect(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error) {
	if _, err := d.begin(ctx, "Inspect"); err != nil {
		return mailbox.Content{}, mailbox.Date{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, file, err := d.findFile(name, key)
	if err != nil {
		return mailbox.Content{}, mailbox.Date{}, err
	}
	return ContentOf(file.Octets), file.Date, nil
}

// Open implements syncer.Local.
func (d *Disk) Open(ctx context.Context, name mailbox.Name, key mailbox.Key) (io.ReadCloser, error) {
	if _, err := d.begin(ctx, "Open"); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, file, err := d.findFile(name, key)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(file.Octets)), nil
}

// Create implements syncer.LocalFolders.
func (d *Disk) Create(ctx context.Context, name mailbox.Name) error {
	return d.change(ctx, "Create", func() (func(), error) {
		if d.folders[name] != nil {
			return nil, fmt.Errorf("model: folder %s: %w", name, mailbox.ErrExists)
		}
		return func() { d.create(name) }, nil
	})
}

// Rename implements syncer.LocalFolders.
func (d *Disk) Rename(ctx context.Context, from, to mailbox.Name) error {
	return d.change(ctx, "Rename", func() (func(), error) {
		folder, err := d.find(from)
		if err != nil {
			return nil, err
		}
		if d.folders[to] != nil {
			return nil, fmt.Errorf("model: folder %s: %w", to, mailbox.ErrExists)
		}
		return func() {
			delete(d.folders, from)
			d.folders[to] = folder
		}, nil
	})
}

// Delete implements syncer.LocalFolders.
func (d *Disk) Delete(ctx context.Context, name mailbox.Name) error {
	return d.change(ctx, "Delete", func() (func(), error) {
		folder, err := d.find(name)
		if err != nil {
			return nil, err
		}
		return func() {
			for _, key := range slices.Sorted(maps.Keys(folder.files)) {
				d.trash = append(d.trash, trashed{name: name, file: folder.files[key], durable: true})
			}
			delete(d.folders, name)
		}, nil
	})
}

// Sweep implements syncer.LocalFolders.
func (d *Disk) Sweep(ctx context.Context) error {
	return d.change(ctx, "Sweep", func() (func(), error) {
		return func() {
			for _, folder := range d.folders {
				maps.DeleteFunc(folder.drafts, func(_ mailbox.Key, draft *diskDraft) bool { return draft.process < d.process })
			}
			d.trash = slices.DeleteFunc(d.trash, func(t trashed) bool { return t.days > 30 })
		}, nil
	})
}

// change makes one change of folders, unless decide says why not.
func (d *Disk) change(ctx context.Context, op string, decide func() (func(), error)) error {
	if _, err := d.begin(ctx, op); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	effect, err := decide()
	if err != nil {
		return err
	}
	return d.fuse.around(effect)
}
