package synctest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"mailferry/syncer/mailbox"
)

// Restart is a new process after one that ended or was killed: drafts that the
// old one left are now anybody's.
func (d *Disk) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.process++
	d.Heal()
}

// PowerCut is a Restart after which some of what was not yet durable is lost,
// as random decides.
func (d *Disk) PowerCut(random *rand.Rand) {
	d.Restart()
	d.mu.Lock()
	defer d.mu.Unlock()
	lost := func() bool { return random.IntN(2) == 0 }
	for _, name := range slices.Sorted(maps.Keys(d.folders)) {
		folder := d.folders[name]
		for _, key := range slices.Sorted(maps.Keys(folder.drafts)) {
			if draft := folder.drafts[key]; !draft.sealed && lost() {
				draft.octets = draft.octets[:len(draft.octets)/2]
			}
		}
		for _, key := range slices.Sorted(maps.Keys(folder.files)) {
			file := folder.files[key]
			switch {
			case !file.published && lost():
				delete(folder.files, key)
				folder.drafts[key] = &diskDraft{octets: file.Octets, date: file.Date, sealed: true, process: d.process - 1}
			case !file.durable.Equal(file.Flags) && lost():
				file.Flags = file.durable
			}
			file.published, file.durable = true, file.Flags
		}
		d.touch(folder)
	}
	d.trash = slices.DeleteFunc(d.trash, func(t trashed) bool {
		folder := d.folders[t.name]
		if t.durable || folder == nil || !lost() {
			return false
		}
		folder.files[t.file.Key] = t.file
		return true
	})
}

// Age makes what is in the trash older.
func (d *Disk) Age(days int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.trash {
		d.trash[i].days += days
	}
}

// Trash lists what is in the store's trash, oldest first.
func (d *Disk) Trash() []File {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := []File{}
	for _, t := range d.trash {
		files = append(files, t.file.File)
	}
	return files
}

// MailReader is a LocalWitness of a Disk.
type MailReader struct {
	d  *Disk
	tb testing.TB
}

var _ LocalWitness = MailReader{}

// Reader returns a mail reader that works in the same tree.
func (d *Disk) Reader(tb testing.TB) MailReader { return MailReader{d, tb} }

// open locks the disk and finds a folder.
func (r MailReader) open(name mailbox.Name) (*diskFolder, func()) {
	r.tb.Helper()
	r.d.mu.Lock()
	folder := r.d.folders[name]
	if folder == nil {
		r.d.mu.Unlock()
		r.tb.Fatalf("mail reader: no folder %s", name)
	}
	return folder, r.d.mu.Unlock
}

// Create makes a folder.
func (r MailReader) Create(name mailbox.Name) {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	if r.d.folders[name] == nil {
		r.d.create(name)
	}
}

// Drop removes a folder with all that is in it.
func (r MailReader) Drop(name mailbox.Name) {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	delete(r.d.folders, name)
}

// Deliver implements LocalWitness.
func (r MailReader) Deliver(name mailbox.Name, flags mailbox.Flags, date mailbox.Date, octets []byte) mailbox.Key {
	r.tb.Helper()
	folder, done := r.open(name)
	defer done()
	key := r.d.newKey("r")
	flags = r.d.keep(folder, flags, true)
	folder.files[key] = &diskFile{durable: flags, published: true, File: File{
		Key: key, Flags: flags, Date: date, Octets: slices.Clone(octets), New: flags.IsEmpty(),
	}}
	r.d.touch(folder)
	return key
}

// SetFlags implements LocalWitness. A message that is gone stays gone.
func (r MailReader) SetFlags(name mailbox.Name, key mailbox.Key, flags mailbox.Flags) {
	r.tb.Helper()
	folder, done := r.open(name)
	defer done()
	if file := folder.files[key]; file != nil {
		file.Flags, file.New = r.d.keep(folder, flags, true), false
		file.durable = file.Flags
		r.d.touch(folder)
	}
}

// Edit changes a message's octets in place, which no mail reader should.
func (r MailReader) Edit(name mailbox.Name, key mailbox.Key, octets []byte) {
	r.tb.Helper()
	folder, done := r.open(name)
	defer done()
	if file := folder.files[key]; file != nil {
		file.Octets = slices.Clone(octets)
	}
}

// Unlink implements LocalWitness.
func (r MailReader) Unlink(name mailbox.Name, key mailbox.Key) {
	r.tb.Helper()
	folder, done := r.open(name)
	defer done()
	delete(folder.files, key)
	r.d.touch(folder)
}

// Move puts a message into another folder, under the same key or, as some
// readers do, a new one.
func (r MailReader) Move(from mailbox.Name, key mailbox.Key, to mailbox.Name, rekey bool) mailbox.Key {
	r.tb.Helper()
	source, done := r.open(from)
	defer done()
	target, file := r.d.folders[to], source.files[key]
	if target == nil || file == nil {
		return ""
	}
	delete(source.files, key)
	moved := *file
	if rekey {
		moved.Key = r.d.newKey("r")
	}
	moved.Flags = r.d.keep(target, moved.Flags, true)
	moved.durable, moved.published = moved.Flags, true
	target.files[moved.Key] = &moved
	r.d.touch(source)
	r.d.touch(target)
	return moved.Key
}

// Files implements LocalWitness.
func (r MailReader) Files(name mailbox.Name) []File {
	r.tb.Helper()
	folder, done := r.open(name)
	defer done()
	files := []File{}
	for _, key := range slices.Sorted(maps.Keys(folder.files)) {
		files = append(files, folder.files[key].File)
	}
	return files
}

// Names implements LocalWitness.
func (r MailReader) Names() []mailbox.Name {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	return slices.Sorted(maps.Keys(r.d.folders))
}

// Drafts implements LocalWitness.
func (r MailReader) Drafts(name mailbox.Name) int {
	r.tb.Helper()
	folder, done := r.open(name)
	defer done()
	return len(folder.drafts)
}
