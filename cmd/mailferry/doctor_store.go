package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/maildirout"
	"mailferry/state"
)

const (
	// spaceWarning is what a disk should have left.
	spaceWarning = 512 << 20
	// filesWarning is the share of files that it should still take: 1 of so many.
	filesWarning = 50
)

// nearest is the store's folder or, before it is made, the one that will have it.
func (c *checkup) nearest() string {
	for dir := c.account.Store; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
	}
}

// checkDisk looks what kind of disk it is, and how full.
func (c *checkup) checkDisk() {
	const check = "disk"
	dir := c.nearest()
	traits, err := maildirout.Examine(dir)
	if err != nil {
		c.fail(check, err)
		return
	}
	name := traits.FileSystem
	if name == "" {
		name = "a file system"
	}
	text := name
	if traits.KnowsFree {
		text += fmt.Sprintf(", %s free", humanize.IBytes(traits.Free))
	}
	if traits.Files > 0 {
		text += fmt.Sprintf(", room for %s files", humanize.Comma(int64(traits.FreeFiles)))
	}
	isFine := c.checkRoom(check, dir, traits)
	for _, row := range []struct {
		is   bool
		text string
	}{
		{traits.FoldsCase, "Work and work are the same name here: mailboxes whose names differ only in that get other names on disk"},
		{traits.LacksLinks, "no hard links: copies of a message take their room twice"},
		{traits.IsRemote, "the disk is on another machine: run mailferry on one machine only, and use a local disk if it is slow"},
	} {
		if row.is {
			c.note(check, "%s: %s", name, row.text)
		}
	}
	if isFine {
		c.ok(check, "%s", text)
	}
}

// checkRoom tells what makes a disk useless.
func (c *checkup) checkRoom(check, dir string, traits maildirout.Traits) bool {
	switch {
	case traits.IsReadOnly:
		c.bad(check, exitFailed, "mount -o remount,rw "+quoted(dir), "%s is mounted read-only", dir)
	case traits.LacksColons && runtime.GOOS != "windows":
		c.bad(check, exitUsage, "store = a folder on another disk", "%s: names cannot have a colon here, which a Maildir's names have", traits.FileSystem)
	case traits.KnowsFree && traits.Free < spaceWarning:
		c.warn(check, exitFailed, "make room on the disk that has "+dir, "only %s are free", humanize.IBytes(traits.Free))
	case traits.Files > 0 && traits.FreeFiles < traits.Files/filesWarning:
		c.warn(check, exitFailed, "remove files from the disk that has "+dir+": each message is a file", "room for only %s files (inodes)", humanize.Comma(int64(traits.FreeFiles)))
	case traits.IsVolatile:
		c.warn(check, exitUsage, "store = a folder on a real disk", "%s is memory: the mail is gone when the machine restarts", traits.FileSystem)
	default:
		return true
	}
	return false
}

// checkStore looks at the folder, the marker and the lock. It reports whether
// there is a store to look into.
func (c *checkup) checkStore(ctx context.Context) bool {
	const check = "store"
	dir := c.account.Store
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return c.checkNoStore(ctx)
	}
	if err != nil {
		c.fail(check, err)
		return false
	}
	if _, err := state.ReadMarker(dir); err != nil {
		return c.checkNoStore(ctx)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		c.warn(check, exitFailed, "chmod 700 "+quoted(dir), "others may look into %s (mode %04o)", dir, info.Mode().Perm())
	}
	store, err := c.openState(ctx)
	if err != nil {
		c.failStore(err)
		return false
	}
	c.ok(check, "%s, %s, of %s", dir, store.Marker().Layout, store.Marker().Identity)
	c.checkLock(store.Control())
	if err := store.Close(); err != nil {
		c.fail(check, err)
	}
	return true
}

// openState opens the state for reading, beside a run that may be at work.
func (c *checkup) openState(ctx context.Context) (*state.Store, error) {
	options := c.app.stateOptions(c.account, transferFlags{dryRun: true})
	options.Unlocked = true
	return state.Open(ctx, options)
}

func (c *checkup) checkLock(control string) {
	var locked *state.LockedError
	switch err := state.Holder(control); {
	case errors.As(err, &locked):
		c.warn("lock", exitLocked, "wait until it has ended; ps -p "+fmt.Sprint(locked.PID)+" shows it", "another run is at work (process %d)", locked.PID)
	case err != nil:
		c.fail("lock", err)
	}
}

// failStore tells why a run would be refused, and how it is not.
func (c *checkup) failStore(err error) {
	c.bad("store", exitCode(err), hintFor(err, "mailferry run "+c.target.typed), "%v", err)
}

// checkNoStore says whether a store can be made where there is none.
func (c *checkup) checkNoStore(ctx context.Context) bool {
	if err := c.app.probe(ctx, c.account, transferFlags{}); err != nil {
		c.failStore(err)
		return false
	}
	c.note("store", "%s is not made yet: the first run makes it: mailferry run %s", c.account.Store, c.target.typed)
	return false
}

// checkState reads the whole state.
func (c *checkup) checkState(ctx context.Context) {
	const check = "state"
	store, err := c.openState(ctx)
	if err != nil {
		c.fail(check, err)
		return
	}
	defer store.Close()
	overview, err := store.Overview(ctx)
	switch {
	case err != nil && !errors.Is(err, state.ErrDamaged):
		c.fail(check, err)
		return
	case err != nil || overview.Rebuilt != "":
		reason := overview.Rebuilt
		if err != nil {
			reason = err.Error()
		}
		c.warn(check, exitFailed, "mailferry run "+c.target.typed, "it is damaged (%s): the next run builds it anew from both sides, and loses nothing", reason)
		return
	}
	links := 0
	for _, m := range overview.Mailboxes {
		for _, n := range m.Kinds {
			links += n
		}
	}
	c.ok(check, "whole: %s messages in %d mailboxes, %s", humanize.Comma(int64(links)), len(overview.Mailboxes), humanize.IBytes(uint64(overview.Size)))
	c.checkRuns(overview.Runs)
}

// checkRuns looks at the last runs.
func (c *checkup) checkRuns(runs []state.Run) {
	if len(runs) == 0 {
		return
	}
	last := runs[0]
	if ahead := time.Until(last.Started); ahead > time.Minute {
		c.bad("clock", exitFailed, "set this machine's clock (timedatectl set-ntp true)", "the last run began in the future, on %s: nothing is archived by age",
			last.Started.Format(time.DateTime))
	}
	if !last.OK && !last.Ended.IsZero() {
		c.note("last run", "%s failed %s: %s (mailferry status %s)", last.Command, humanize.Time(last.Started), last.Error, c.target.typed)
	}
}

// checkMaildir looks at the tree as a stranger would.
func (c *checkup) checkMaildir(ctx context.Context) {
	const check = "maildir"
	survey, err := maildirout.Look(ctx, c.account.Store, maildirout.Layout(c.account.Layout), time.Now())
	if err != nil {
		c.fail(check, err)
		return
	}
	if survey.Unreadable.Count > 0 {
		c.bad(check, exitFailed, "chown -R "+ownerText()+" "+quoted(c.account.Store), "%s cannot be read", examplesText(survey.Unreadable))
	}
	for _, row := range []struct {
		found maildirout.Examples
		text  string
	}{
		{survey.Links, "symbolic links are not followed"},
		{survey.Incomplete, "new or tmp is missing; the next run makes it"},
		{survey.Leftovers, "left behind in tmp by a program that was killed; may be removed"},
		{survey.Foreign, "a mailbox of the other layout (mailferry help maildir), which does not take part"},
	} {
		if row.found.Count > 0 {
			c.note(check, "%s: %s", examplesText(row.found), row.text)
		}
	}
	if survey.IsCut {
		c.note(check, "there is more than doctor looks at")
	}
	c.ok(check, "%s messages in %d folders", humanize.Comma(int64(survey.Messages)), survey.Folders)
}

func examplesText(e maildirout.Examples) string {
	text := strings.Join(e.Paths, ", ")
	if more := e.Count - len(e.Paths); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func ownerText() string {
	if name := os.Getenv("USER"); name != "" {
		return quoted(name)
	}
	return fmt.Sprint(os.Getuid())
}
