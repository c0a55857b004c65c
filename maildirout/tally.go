package maildirout

import (
	"context"
	"fmt"
	"io"
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
		start := time.Now() // the system's clock, which makes the mtimes
		before, err := f.stamp()
		if err != nil {
			return mailbox.Tally{}, before, err
		}
		isQuiet := start.UnixNano()-max(before.Cur, before.New, before.Keywords) > int64(granularity)
		if isQuiet {
			tally, err := s.addUp(ctx, f)
			if err != nil {
				return mailbox.Tally{}, before, err
			}
			if after, err := f.stamp(); err != nil || after == before {
				return tally, before, err
			}
		}
		if try == tries {
			return mailbox.Tally{}, before, mailbox.ErrIncomplete
		}
		select {
		case <-ctx.Done():
			return mailbox.Tally{}, before, ctx.Err()
		case <-time.After(granularity):
		}
	}
}

func (s *Store) addUp(ctx context.Context, f *folder) (mailbox.Tally, error) {
	var tally mailbox.Tally
	table, _, err := f.table()
	if err != nil {
		return tally, err
	}
	known := map[string]mailbox.Flags{}
	for _, sub := range []string{"new", "cur"} {
		err := f.eachName(sub, func(name string) error {
			one := newFile(name, sub == "new")
			letters, _ := one.info()
			flags, seen := known[letters]
			if !seen {
				flags = table.flags(letters)
				known[letters] = flags
			}
			tally.Add(mailbox.Key(one.keyText()), flags)
			return ctx.Err()
		})
		if err != nil {
			return tally, err
		}
	}
	return tally, nil
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
