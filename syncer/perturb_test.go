package syncer_test

import (
	"fmt"
	"strings"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

var someNames = []mailbox.Name{"INBOX", "A", "A/B", "C", "Old Mail"}

var someFlags = []mailbox.Flags{
	mailbox.NewFlags(mailbox.FlagSeen), mailbox.NewFlags(mailbox.FlagFlagged),
	mailbox.NewFlags(mailbox.FlagAnswered, mailbox.FlagSeen), mailbox.NewFlags("$Junk"),
	mailbox.NewFlags("alpha", "beta"), mailbox.NewFlags(mailbox.FlagDeleted),
}

// perturb lets one of two clients do one thing.
func (w *world) perturb() {
	steps := []func(){
		w.serverAppend, w.serverAppend, w.serverFlag, w.serverFlag, w.serverExpunge, w.serverMailbox, w.serverMove, w.serverMove, w.serverCopy,
		w.diskDeliver, w.diskDeliver, w.diskFlag, w.diskFlag, w.diskUnlink, w.diskMove, w.diskCopy, w.diskFolder,
		w.renumber,
	}
	steps[w.random.IntN(len(steps))]()
}

// message makes a message that there is only once in this world. Some have no
// header, and some share one with others of the same size and date.
func (w *world) message() ([]byte, mailbox.Date) {
	w.made++
	octets := fmt.Sprintf("Message-ID: <%04d>\r\n\r\nbody\r\n", w.made)
	switch w.random.IntN(6) {
	case 0:
		octets = fmt.Sprintf("Subject: same\r\n\r\nbody %04d\r\n", w.made)
	case 1:
		octets = fmt.Sprintf("no header %04d", w.made)
	}
	if w.random.IntN(3) == 0 {
		octets += strings.Repeat("large enough to be recognised by its header\r\n", plan.HeaderWorth/44)
	}
	w.fate[octets] = &fate{}
	return []byte(octets), mailbox.Date{Unix: 1e9 + int64(w.random.IntN(3)), Known: true}
}

func (w *world) flags() mailbox.Flags { return someFlags[w.random.IntN(len(someFlags))] }

func pick[T any](w *world, list []T) (T, bool) {
	var none T
	if len(list) == 0 {
		return none, false
	}
	return list[w.random.IntN(len(list))], true
}

func (w *world) serverAppend() {
	name, _ := pick(w, w.server.Mailboxes())
	octets, date := w.message()
	w.note("server: append %.20q to %s", octets, name)
	w.server.Append(name, w.flags(), date, octets)
}

// someMessage is a message of some mailbox on the server, if that has any.
func (w *world) someMessage() (mailbox.Name, synctest.Message, bool) {
	name, _ := pick(w, w.server.Mailboxes())
	m, ok := pick(w, w.server.Messages(name))
	return name, m, ok
}

func (w *world) serverFlag() {
	name, m, ok := w.someMessage()
	if !ok {
		return
	}
	item := []string{"+FLAGS", "-FLAGS"}[w.random.IntN(2)]
	flags := w.flags()
	w.note("server: %s %v on %s uid %d", item, flags, name, m.UID)
	w.server.Store(name, m.UID, item, flags)
}

func (w *world) serverExpunge() {
	name, m, ok := w.someMessage()
	if !ok {
		return
	}
	w.note("server: expunge %s uid %d", name, m.UID)
	w.fate[string(m.Octets)].deleted = true
	w.server.Expunge(name, m.UID)
}

func (w *world) serverMove() {
	from, m, ok := w.someMessage()
	if !ok {
		return
	}
	to, _ := pick(w, w.server.Mailboxes())
	w.note("server: move %s uid %d to %s", from, m.UID, to)
	w.fate[string(m.Octets)].moved = true
	w.server.Append(to, m.Flags, m.Date, m.Octets)
	w.server.Expunge(from, m.UID)
}

func (w *world) serverCopy() {
	from, m, ok := w.someMessage()
	if !ok {
		return
	}
	to, _ := pick(w, w.server.Mailboxes())
	w.note("server: copy %s uid %d to %s", from, m.UID, to)
	w.fate[string(m.Octets)].serverCopies++
	w.server.Append(to, m.Flags, m.Date, m.Octets)
}

func (w *world) serverMailbox() {
	name, _ := pick(w, someNames[1:])
	boxes := w.server.Mailboxes()
	has := func(name mailbox.Name) bool {
		for _, box := range boxes {
			if box == name {
				return true
			}
		}
		return false
	}
	to, _ := pick(w, someNames[1:])
	switch {
	case !has(name):
		w.note("server: create %s", name)
		w.server.Create(name)
	case w.random.IntN(2) == 0 && !has(to) && !to.IsBelow(name) && !name.IsBelow(to):
		w.note("server: rename %s to %s", name, to)
		for _, box := range boxes {
			if box != name && !box.IsBelow(name) {
				continue
			}
			for _, m := range w.server.Messages(box) {
				// The other client may have made the new name meanwhile, or
				// have changed the old mailbox: then both stay.
				w.fate[string(m.Octets)].moved = true
			}
		}
		w.server.Rename(name, to)
	default:
		w.note("server: delete %s", name)
		for _, m := range w.server.Messages(name) {
			w.fate[string(m.Octets)].deleted = true
		}
		w.server.Delete(name)
	}
}

func (w *world) renumber() {
	if w.random.IntN(3) > 0 {
		return
	}
	if w.isMidRun && w.isUnnumbered {
		return // nobody can tell: there is no UIDVALIDITY that would change
	}
	name, _ := pick(w, w.server.Mailboxes())
	w.note("server: renumber %s", name)
	w.server.Renumber(name)
}

func (w *world) diskDeliver() {
	name, ok := pick(w, w.reader.Names())
	if !ok {
		return
	}
	octets, date := w.message()
	w.note("disk: deliver %.20q to %s", octets, name)
	w.reader.Deliver(name, w.flags(), date, octets)
}

// someFile is a file of some folder, if that has any.
func (w *world) someFile() (mailbox.Name, synctest.File, bool) {
	name, ok := pick(w, w.reader.Names())
	if !ok {
		return name, synctest.File{}, false
	}
	f, ok := pick(w, w.reader.Files(name))
	return name, f, ok
}

func (w *world) diskFlag() {
	name, f, ok := w.someFile()
	if !ok {
		return
	}
	flags := w.flags()
	if w.random.IntN(2) == 0 {
		flags = flags.Union(f.Flags)
	}
	w.note("disk: flags %v on %s %s", flags, name, f.Key)
	w.reader.SetFlags(name, f.Key, flags)
}

func (w *world) diskUnlink() {
	name, f, ok := w.someFile()
	if !ok {
		return
	}
	w.note("disk: unlink %s %s", name, f.Key)
	w.fate[string(f.Octets)].deleted = true
	w.reader.Unlink(name, f.Key)
}

func (w *world) diskMove() {
	from, f, ok := w.someFile()
	if !ok {
		return
	}
	to, _ := pick(w, w.reader.Names())
	rekey := from == to || w.random.IntN(2) == 0
	w.note("disk: move %s %s to %s", from, f.Key, to)
	w.fate[string(f.Octets)].moved = true
	if key := w.reader.Move(from, f.Key, to, rekey); key != "" && w.random.IntN(3) == 0 {
		flags := w.flags()
		w.note("disk: flags %v on it", flags)
		w.reader.SetFlags(to, key, flags)
	}
}

// diskCopy makes a second file, with its own flags or date as some readers do.
func (w *world) diskCopy() {
	from, f, ok := w.someFile()
	if !ok {
		return
	}
	to, _ := pick(w, w.reader.Names())
	flags, date := f.Flags, f.Date
	if w.random.IntN(3) == 0 {
		flags, date = w.flags(), mailbox.Date{Unix: 2e9, Known: true}
	}
	w.note("disk: copy %s %s to %s", from, f.Key, to)
	w.fate[string(f.Octets)].diskCopies++
	w.reader.Deliver(to, flags, date, f.Octets)
}

func (w *world) diskFolder() {
	name, _ := pick(w, someNames[1:])
	for _, known := range w.reader.Names() {
		if known == name {
			w.note("disk: drop %s", name)
			for _, f := range w.reader.Files(name) {
				w.fate[string(f.Octets)].deleted = true
			}
			w.reader.Drop(name)
			return
		}
	}
	w.note("disk: create %s", name)
	w.reader.Create(name)
}
