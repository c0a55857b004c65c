package maildirout

import (
	"os"
	"time"

	"mailferry/syncer/mailbox"
)

// deskAge is how long a folder's tmp stays open between messages before it is
// looked for again: somebody may have given the folder another name.
const deskAge = time.Second

// desk is a folder's tmp, open for message after message: to find the folder,
// and to make sure that no part of it is a symbolic link, takes more system
// calls than to write a message.
type desk struct {
	tmp    *os.Root
	opened time.Time
	// users are at work on it; the last one closes a desk that is retired.
	users   int
	retired bool
}

// takeDesk opens a folder's tmp, or has it open already. mailbox.ErrNotFound if
// there is no such folder. What is taken is given back.
func (s *Store) takeDesk(name mailbox.Name) (*desk, error) {
	s.mu.Lock()
	if d := s.desks[name]; d != nil && time.Since(d.opened) < deskAge {
		d.users++
		s.mu.Unlock()
		return d, nil
	}
	s.mu.Unlock()
	f, err := s.openFolder(name)
	if err != nil {
		return nil, err
	}
	defer f.close()
	tmp, err := openDir(f.root, "tmp")
	if err != nil {
		return nil, err
	}
	d := &desk{tmp: tmp, opened: time.Now(), users: 1}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireDesks(func(other mailbox.Name, old *desk) bool { return other == name || old.users == 0 })
	s.desks[name] = d
	return d, nil
}

func (s *Store) giveBack(d *desk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.users--; d.retired && d.users == 0 {
		d.tmp.Close()
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
			d.tmp.Close()
		}
	}
}

// clearDesks retires all: the tree of folders changes.
func (s *Store) clearDesks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireDesks(func(mailbox.Name, *desk) bool { return true })
}
