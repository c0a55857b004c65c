package maildirout

import (
	"os"
	"time"

	"mailferry/syncer/mailbox"
)

// deskAge is how long a folder stays open between messages before it is looked
// for again: somebody may have given it another name.
const deskAge = time.Second

// desk is a folder and its parts, open for message after message: to find the
// folder, and to make sure that no part of it is a symbolic link, takes more
// system calls than to write or read a message.
type desk struct {
	folder        *folder
	cur, new, tmp *os.Root
	opened        time.Time
	// users are at work on it; the last one closes a desk that is retired.
	users   int
	retired bool
}

func (d *desk) close() {
	for _, part := range []*os.Root{d.cur, d.new, d.tmp} {
		if part != nil {
			part.Close()
		}
	}
	d.folder.close()
}

// part returns the cur or new that a file is in.
func (d *desk) part(one file) *os.Root {
	if one.inNew {
		return d.new
	}
	return d.cur
}

// takeDesk opens a folder, or has it open already. mailbox.ErrNotFound if there
// is no such folder. What is taken is given back.
func (s *Store) takeDesk(name mailbox.Name) (*desk, error) {
	s.mu.Lock()
	if d := s.desks[name]; d != nil && time.Since(d.opened) < deskAge {
		d.users++
		s.mu.Unlock()
		return d, nil
	}
	s.mu.Unlock()
	d, err := s.openDesk(name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireDesks(func(other mailbox.Name, old *desk) bool { return other == name || old.users == 0 })
	s.desks[name] = d
	return d, nil
}

func (s *Store) openDesk(name mailbox.Name) (*desk, error) {
	d := &desk{opened: time.Now(), users: 1}
	var err error
	if d.folder, err = s.openFolder(name); err != nil {
		return nil, err
	}
	for sub, part := range map[string]**os.Root{"cur": &d.cur, "new": &d.new, "tmp": &d.tmp} {
		if *part, err = openDir(d.folder.root, sub); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
}

func (s *Store) giveBack(d *desk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.users--; d.retired && d.users == 0 {
		d.close()
	}
}

// retireDesks closes desks, those in use once they are not. s.mu is held.
func (s *Store) retireDesks(which func(mailbox.Name, *desk) bool) {
	for name, d := range s.desks {
		if !which(name, d) {
			continue
		}
		delete(s.desks, name)
		if d.retired = true; d.users == 0 {
			d.close()
		}
	}
}

// clearDesks retires all: the tree of folders changes.
func (s *Store) clearDesks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireDesks(func(mailbox.Name, *desk) bool { return true })
}
