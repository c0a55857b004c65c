package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"mailferry/maildirout"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// changes writes down which message files a run changes, for post_sync. It
// holds none of them in memory.
type changes struct {
	syncer.Reporter
	// spool has what was done, as it was done; list the files.
	spool   *os.File
	written *bufio.Writer
	err     error
	list    string // the path; "" when nothing changed on disk
}

// change is one line of the spool.
type change struct {
	Status  string
	Mailbox mailbox.Name
	Key     mailbox.Key
}

// Action implements syncer.Reporter.
func (c *changes) Action(action plan.Action, result syncer.Result, err error) {
	if result == syncer.Done {
		switch action.Kind {
		case plan.Download:
			c.note("A", action.Mailbox, action.Key)
		case plan.FlagLocal:
			c.note("M", action.Mailbox, action.Key)
		case plan.RemoveLocal:
			c.note("D", action.Mailbox, action.Key)
		case plan.MoveLocal:
			c.note("D", action.Mailbox, action.Key)
			c.note("A", action.To, action.Key)
		}
	}
	c.Reporter.Action(action, result, err)
}

func (c *changes) note(status string, name mailbox.Name, key mailbox.Key) {
	if c.spool == nil && c.err == nil {
		if c.spool, c.err = os.CreateTemp("", "mailferry-changes-"); c.err == nil {
			c.written = bufio.NewWriter(c.spool)
		}
	}
	if c.err == nil {
		c.err = json.NewEncoder(c.written).Encode(change{status, name, key})
	}
}

// resolve makes the list: a letter, a tab, and the file's path. What was added
// or changed and is gone again meanwhile is left out.
func (c *changes) resolve(ctx context.Context, disk *maildirout.Store, dir string) error {
	if c.spool == nil || c.err != nil {
		return c.trouble(c.err)
	}
	if err := c.written.Flush(); err != nil {
		return c.trouble(err)
	}
	if _, err := c.spool.Seek(0, io.SeekStart); err != nil {
		return c.trouble(err)
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	list, err := os.CreateTemp("", "mailferry-changed-files-")
	if err != nil {
		return c.trouble(err)
	}
	c.list = list.Name()
	to := bufio.NewWriter(list)
	err = c.translate(ctx, disk, dir, to)
	return c.trouble(errors.Join(err, to.Flush(), list.Close()))
}

func (c *changes) translate(ctx context.Context, disk *maildirout.Store, dir string, to io.Writer) error {
	lines := json.NewDecoder(bufio.NewReader(c.spool))
	for {
		var one change
		if err := lines.Decode(&one); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var path string
		var err error
		if one.Status == "D" {
			path, err = disk.FormerPath(one.Mailbox, one.Key)
		} else {
			path, err = disk.Path(ctx, one.Mailbox, one.Key)
		}
		if errors.Is(err, mailbox.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "%s\t%s\n", one.Status, filepath.Join(dir, path)); err != nil {
			return err
		}
	}
}

func (c *changes) trouble(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("list the changed files for post_sync: %w", err)
}

// discard removes the files.
func (c *changes) discard() {
	if c.spool != nil {
		c.spool.Close()
		os.Remove(c.spool.Name())
	}
	if c.list != "" {
		os.Remove(c.list)
	}
}
