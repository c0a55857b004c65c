package maildirout

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// Tally adds up what List would return, and keeps none of it: memory does not
// grow with the folder. mailbox.ErrIncomplete if the folder changed shortly
// before or meanwhile, so that readdir may have missed or repeated a name.
func (s *Store) Tally(ctx context.Context, name mailbox.Name) (mailbox.Tally, mailbox.Stamp, error) {
	taken := s.now().UnixNano()
	f, err := s.openFolder(name)
	if err != nil {
		return mailbox.Tally{}, mailbox.Stamp{}, err
	}
	defer f.close()
	tally, stamp, err := s.tally(ctx, f)
	if err != nil {
		return mailbox.Tally{}, mailbox.Stamp{}, fmt.Errorf("tally folder %s: %w", name, err)
	}
	stamp.Taken = taken
	return tally, stamp, nil
}

func (s *Store) tally(ctx context.Context, f *folder) (mailbox.Tally, mailbox.Stamp, error) {
	const tries = 3
	for try := 1; ; try++ {
		var tally mailbox.Tally
		stamp, isQuiet, err := s.whileQuiet(f, func() (err error) {
			tally, err = s.addUp(ctx, f)
			return err
		})
		if err != nil || isQuiet {
			return tally, stamp, err
		}
		if try == tries {
			return mailbox.Tally{}, stamp, mailbox.ErrIncomplete
		}
		select {
		case <-ctx.Done():
			return mailbox.Tally{}, stamp, ctx.Err()
		case <-time.After(granularity):
		}
	}
}

// whileQuiet reports whether the folder stood still while it was read, and with
// which stamp: nothing was read if it is not at rest to begin with.
func (s *Store) whileQuiet(f *folder, read func() error) (mailbox.Stamp, bool, error) {
	start := time.Now() // the system's clock, which makes the mtimes
	before, err := f.stamp()
	if err != nil || start.UnixNano()-max(before.Cur, before.New, before.Keywords) <= int64(granularity) {
		return before, false, err
	}
	if err := read(); err != nil {
		return before, false, err
	}
	after, err := f.stamp()
	return before, err == nil && after == before, err
}

func (s *Store) addUp(ctx context.Context, f *folder) (mailbox.Tally, error) {
	var tally mailbox.Tally
	err := s.eachFile(ctx, f, func(file mailbox.LocalFile) error {
		tally.Add(file.Key, file.Flags)
		return nil
	})
	return tally, err
}

// Each hands over what List would return, in no order, and keeps none of it.
// The key is each's only until it returns. mailbox.ErrIncomplete if the folder
// changed shortly before or meanwhile: then what was handed over may lack names
// or have some twice.
func (s *Store) Each(ctx context.Context, name mailbox.Name, each func(mailbox.LocalFile) error) error {
	f, err := s.openFolder(name)
	if err != nil {
		return err
	}
	defer f.close()
	_, isQuiet, err := s.whileQuiet(f, func() error { return s.eachFile(ctx, f, each) })
	if err == nil && !isQuiet {
		err = mailbox.ErrIncomplete
	}
	if err != nil {
		return fmt.Errorf("read folder %s: %w", name, err)
	}
	return nil
}

// maxLetters bounds how many combinations of letters are remembered.
const maxLetters = 100

// eachFile hands over the files in a folder as a plain reading finds them.
func (s *Store) eachFile(ctx context.Context, f *folder, each func(mailbox.LocalFile) error) error {
	table, _, err := f.table()
	if err != nil {
		return err
	}
	known := map[string]mailbox.Flags{}
	for _, sub := range []string{"new", "cur"} {
		err := f.eachName(sub, func(name string) error {
			one := newFile(name, sub == "new")
			letters, _ := one.info()
			flags, seen := known[letters]
			if !seen {
				flags = table.flags(letters)
				known[strings.Clone(letters)] = flags
			}
			if err := each(mailbox.LocalFile{Key: mailbox.Key(one.keyText()), Flags: flags}); err != nil {
				return err
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	l := s.listingOf(f.name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.common = nil; len(known) <= maxLetters {
		l.common = slices.Sorted(maps.Keys(known))
	}
	return nil
}

// eachName hands over the names of the messages in cur or new, a piece of the
// folder at a time.
func (f *folder) eachName(sub string, each func(name string) error) error {
	dir, err := openFile(f.root, sub)
	if err != nil {
		return err
	}
	defer dir.Close()
	for next := piecesOf(dir); ; {
		names, err := next()
		for _, name := range names {
			if err := each(name); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
