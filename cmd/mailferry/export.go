package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/syncer"
	"mailferry/syncer/export"
	"mailferry/syncer/mailbox"
)

// exportFlags are the flags of export.
type exportFlags struct {
	format  string
	noFlags bool
	dryRun  bool
	transferFlags
}

// manifestName lists what was exported, one JSON object a line.
const manifestName = "manifest.jsonl"

func newExportCommand(a *app) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export [ACCOUNT | STORE] --format mbox|eml|zip DIR",
		Short: "Write a store's mail for other programs",
		Long: `Writes the mail of a store into a new folder, for other programs:

  mbox   one file a mailbox (mboxrd), which mutt and Thunderbird import; line ends
         become LF, lines that begin with From are quoted, flags are kept in the
         header fields Status, X-Status and X-Keywords (--no-flags leaves them out)
  eml    one file a message, to the octet, in a folder for each mailbox
  zip    the same in one file, mail.zip

A manifest lists each message's file, mailbox, flags, date and SHA-256. The store
is not changed, and no server is asked.`,
		Example: "  mailferry export home --format mbox ~/for-thunderbird\n" +
			"  mailferry export ~/Mail --format zip ~/mail-2024 --mailbox 'Archive/2024'",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			if f.format != "mbox" && f.format != "eml" && f.format != "zip" {
				return usagef("--format %q: allowed are mbox, eml and zip", f.format)
			}
			if err := a.lacksArgument(args, "the folder to write to"); err != nil {
				return err
			}
			t, err := a.oneTarget(cmd.Context(), args[:len(args)-1])
			if err != nil {
				return err
			}
			return a.export(cmd.Context(), t, config.ExpandHome(args[len(args)-1], a.env), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.format, "format", "", "mbox, eml or zip")
	flags.BoolVar(&f.noFlags, "no-flags", false, "mbox: add no header fields for flags")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "say how much it would be and write nothing")
	flags.StringArrayVar(&f.mailboxes, "mailbox", nil, "only mailboxes that match `PATTERN`; ! excludes; repeatable")
	return cmd
}

// exporting is one export under way.
type exporting struct {
	app      *app
	account  string
	sides    *sides
	to       export.Writer
	manifest *json.Encoder
	progress syncer.Progress
	octets   int64
	failed   []string
	failures int
}

func (a *app) export(ctx context.Context, t target, dir string, f exportFlags) error {
	started := time.Now()
	e := &exporting{app: a, account: t.account.Name}
	err := e.run(ctx, t, dir, f)
	a.console.EndProgress()
	code := exitCode(err)
	if e.failures > 0 {
		code = worse(code, exitPartly)
	}
	if err != nil {
		a.console.Error(t.account.Name+": "+err.Error(), hintFor(err, "mailferry export "+t.typed+" --format "+f.format+" "+quoted(dir)))
	} else if e.failures > 0 {
		text := fmt.Sprintf("%s: %d messages could not be read:", t.account.Name, e.failures)
		for _, line := range e.failed {
			text += "\n" + line
		}
		a.console.Error(text, "what is damaged or gone: mailferry verify "+t.typed+" --offline")
	}
	e.tell(f, dir, code, time.Since(started))
	return status(code)
}

func (e *exporting) run(ctx context.Context, t target, dir string, f exportFlags) (err error) {
	if e.sides, err = e.app.openToRead(ctx, t); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.sides.Close()) }()
	names, err := e.names(ctx, t, f)
	if err != nil {
		return err
	}
	if f.dryRun {
		return e.all(ctx, names)
	}
	finish, err := e.open(dir, f)
	if err != nil {
		return err
	}
	err = e.all(ctx, names)
	return errors.Join(err, finish(err == nil))
}

func (e *exporting) names(ctx context.Context, t target, f exportFlags) ([]mailbox.Name, error) {
	folders, err := e.sides.disk.Folders(ctx)
	if err != nil {
		return nil, err
	}
	named := ask(f.patterns, job{target: t, flags: f.transferFlags}.account().Mailboxes.Selects)
	var names []mailbox.Name
	for _, name := range folders {
		if named.Selects(name) {
			names = append(names, name)
		}
	}
	if err := named.missing(); err != nil {
		return nil, err
	}
	e.progress = syncer.Progress{Phase: "exporting", TotalMailboxes: int64(len(names))}
	return names, nil
}

// open makes the target. A folder with content is somebody's: nothing is
// written over.
func (e *exporting) open(dir string, f exportFlags) (finish func(complete bool) error, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, usageError{hintedError{fmt.Errorf("%s: the folder is not empty", dir), "name a new folder"}}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if f.format == "zip" {
		return e.openZip(filepath.Join(dir, "mail.zip"))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	list, err := root.OpenFile(manifestName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	e.manifest, e.to = json.NewEncoder(list), export.NewEML(root)
	if f.format == "mbox" {
		e.to = export.NewMbox(root, !f.noFlags)
	}
	return func(bool) error { return errors.Join(e.to.Close(), list.Close(), root.Close()) }, nil
}

// openZip writes to a temporary name: a zip without its end is none.
func (e *exporting) openZip(path string) (finish func(complete bool) error, err error) {
	file, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	list, err := os.CreateTemp("", "mailferry-manifest-")
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	z := export.NewZip(file)
	e.manifest, e.to = json.NewEncoder(list), z
	return func(complete bool) error {
		defer os.Remove(list.Name())
		defer list.Close()
		err := appendManifest(z, list)
		if err = errors.Join(err, z.Close(), file.Sync(), file.Close()); err != nil || !complete {
			return errors.Join(err, os.Remove(file.Name()))
		}
		return os.Rename(file.Name(), path)
	}, nil
}

func appendManifest(z *export.Zip, list io.ReadSeeker) error {
	if _, err := list.Seek(0, io.SeekStart); err != nil {
		return err
	}
	w, err := z.File(manifestName)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, list)
	return err
}

func (e *exporting) all(ctx context.Context, names []mailbox.Name) error {
	for _, name := range names {
		if err := e.mailbox(ctx, name); err != nil {
			return err
		}
		e.progress.Mailboxes++
	}
	return nil
}

func (e *exporting) mailbox(ctx context.Context, name mailbox.Name) error {
	messages, _, err := e.sides.disk.List(ctx, name)
	if err != nil {
		return err
	}
	dates, err := e.dates(ctx, name)
	if err != nil {
		return err
	}
	e.progress.TotalMessages += int64(len(messages))
	for _, m := range messages {
		if ctx.Err() != nil || e.app.stopped() {
			return mailbox.ErrStopped
		}
		if err := e.message(ctx, name, m, dates[m.Key]); err != nil {
			return err
		}
	}
	return nil
}

// dates are those that the state remembers, with their zones.
func (e *exporting) dates(ctx context.Context, name mailbox.Name) (map[mailbox.Key]mailbox.Date, error) {
	known, err := e.sides.base.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	dates := map[mailbox.Key]mailbox.Date{}
	for _, k := range known {
		if k.Name != name {
			continue
		}
		links, err := e.sides.base.Links(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		for _, link := range links {
			dates[link.Key] = link.Date
		}
	}
	return dates, nil
}

// message exports one message. One that is gone or unreadable fails alone.
func (e *exporting) message(ctx context.Context, name mailbox.Name, m mailbox.LocalFile, date mailbox.Date) error {
	content, mtime, err := e.sides.disk.Inspect(ctx, name, m.Key)
	if err != nil {
		if e.failures++; len(e.failed) < maxTold {
			e.failed = append(e.failed, err.Error())
		}
		return nil
	}
	if !date.Known {
		date = mtime
	}
	if e.to != nil {
		entry, err := e.to.Add(export.Message{Mailbox: name, Key: m.Key, Flags: m.Flags, Date: date, Open: func() (io.ReadCloser, error) {
			return e.sides.disk.Open(ctx, name, m.Key)
		}})
		if err != nil {
			return fmt.Errorf("export %s: %w", name, err)
		}
		if err := e.manifest.Encode(entry); err != nil {
			return err
		}
	}
	e.octets += content.Size
	e.progress.Messages++
	e.progress.Octets, e.progress.TotalOctets = e.octets, e.octets
	if !e.app.flags.quiet {
		e.app.console.Progress(e.account, e.progress)
	}
	return nil
}

type exportObject struct {
	Type          string `json:"type"`
	SchemaVersion int    `json:"schema_version"`
	Account       string `json:"account"`
	Command       string `json:"command"`
	DryRun        bool   `json:"dry_run"`
	Format        string `json:"format"`
	Dir           string `json:"dir"`
	Exported      int64  `json:"exported"`
	Octets        int64  `json:"octets"`
	Mailboxes     int64  `json:"mailboxes"`
	Failed        int    `json:"failed"`
	DurationMS    int64  `json:"duration_ms"`
	ExitCode      int    `json:"exit_code"`
}

func (e *exporting) tell(f exportFlags, dir string, code int, took time.Duration) {
	a := e.app
	switch {
	case a.flags.json:
		ui.WriteJSON(a.out(), exportObject{
			Type: "summary", SchemaVersion: ui.SchemaVersion, Account: e.account, Command: "export", DryRun: f.dryRun,
			Format: f.format, Dir: dir, Exported: e.progress.Messages, Octets: e.octets, Mailboxes: e.progress.Mailboxes,
			Failed: e.failures, DurationMS: took.Milliseconds(), ExitCode: code,
		})
	case a.flags.quiet || code == exitDone && !f.dryRun && a.flags.verbose == 0 && !a.console.OutIsTerminal():
	case f.dryRun:
		fmt.Fprintf(a.out(), "%s: export: dry run: %d messages (%d octets) in %d mailboxes\n", ui.Escape(e.account), e.progress.Messages, e.octets, e.progress.Mailboxes)
	default:
		fmt.Fprintf(a.out(), "%s: export: %d messages (%d octets) in %d mailboxes to %s\n", ui.Escape(e.account), e.progress.Messages, e.octets, e.progress.Mailboxes, ui.Escape(dir))
	}
}
