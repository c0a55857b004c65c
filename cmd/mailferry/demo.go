package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// errDiffer says that the demo did not reach its own aim.
var errDiffer = errors.New("server and disk differ after the sync")

func newDemoCommand(a *app) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo [DIR]",
		Short: "See it work: no account, no network, no configuration",
		Long: `Starts an IMAP server with sample mail on this machine, syncs it to DIR, changes
mail on both sides, syncs again and shows what happened. Without DIR it uses a
temporary folder, which is removed at the end unless --keep is given.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.demo(cmd.Context(), args, keep) },
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the temporary folder")
	return cmd
}

// demo is one showing.
type demo struct {
	app    *app
	server *demoServer
	dir    string
	disk   *maildirout.Store
	now    time.Time
}

func (a *app) demo(ctx context.Context, args []string, keep bool) (err error) {
	d := &demo{app: a, now: time.Now()}
	if len(args) == 1 {
		d.dir, keep = config.ExpandHome(args[0], a.env), true
		if entries, err := os.ReadDir(d.dir); err == nil && len(entries) > 0 {
			return hintedError{
				fmt.Errorf("%s: not empty: %w", d.dir, state.ErrNotAStore),
				"every demo starts with an empty folder; name another one, or none: mailferry demo",
			}
		}
	} else if d.dir, err = os.MkdirTemp("", "mailferry-demo-"); err != nil {
		return err
	}
	if !keep {
		defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	}
	// The demo's own notes: this machine need not remember its store.
	notes, err := os.MkdirTemp("", "mailferry-demo-notes-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(notes)) }()
	env := a.env
	a.env = demoEnvironment(env, notes)
	defer func() { a.env = env }()
	if d.server, err = startDemoServer(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.Close()) }()
	if err := d.show(ctx); err != nil {
		return err
	}
	if keep {
		d.say("\nThe mail is in %s. Look at it with any mail reader that knows Maildir,", d.dir)
		d.say("such as mutt -f %s, or as files: find %s -type f", quoted(filepath.Join(d.dir, "INBOX")), quoted(d.dir))
	}
	d.say("\nYour own mail, with nothing changed on the server:")
	d.say("  mailferry backup imaps://me%%40example.com@imap.example.com ~/Mail")
	return nil
}

// demoEnvironment hides the user's settings, so that every demo is the same.
func demoEnvironment(env func(string) string, notes string) func(string) string {
	return func(name string) string {
		switch {
		case name == "XDG_STATE_HOME":
			return notes
		case name == "MAILFERRY_PASSWORD":
			return demoPassword
		case strings.HasPrefix(name, "MAILFERRY_"), name == "CREDENTIALS_DIRECTORY", name == "DBUS_SESSION_BUS_ADDRESS":
			return ""
		}
		return env(name)
	}
}

// say writes to stdout for people; with --json only objects go there.
func (d *demo) say(format string, args ...any) {
	if !d.app.flags.json && !d.app.flags.quiet {
		fmt.Fprintf(d.app.out(), format+"\n", args...)
	}
}

func (d *demo) show(ctx context.Context) error {
	c, err := d.server.client()
	if err != nil {
		return err
	}
	if err := errors.Join(fillMailboxes(c, d.now), c.Logout().Wait()); err != nil {
		return err
	}
	d.say("1. An IMAP server with sample mail runs on %s; nothing is in %s yet.", d.server.addr, d.dir)
	d.say("   First sync:")
	if err := d.sync(ctx); err != nil {
		return err
	}
	if d.disk, err = openDisk(d.app, config.Account{Layout: "fs"}, d.dir, false); err != nil {
		return err
	}
	defer d.disk.Close()
	d.say("\n2. Mail changes on both sides while nobody looks:")
	if err := errors.Join(d.changeServer(), d.changeDisk(ctx)); err != nil {
		return err
	}
	d.say("\n3. Second sync:")
	if err := d.sync(ctx); err != nil {
		return err
	}
	if err := d.compare(ctx); err != nil {
		return err
	}
	d.say("\n4. Compared, octet by octet and flag by flag: server and disk are the same.")
	return nil
}

// sync runs the same code as `mailferry sync URL DIR`.
func (d *demo) sync(ctx context.Context) error {
	server, err := config.ParseURL(d.server.url())
	if err != nil {
		return err
	}
	account := config.Builtin("demo", server, d.dir)
	j := job{target: target{account: account, typed: quoted(d.dir)}, command: config.ModeSync}
	if d.app.flags.json || d.app.flags.quiet {
		return status(d.app.runJob(ctx, j))
	}
	started := time.Now()
	report := &report{Reporter: demoReporter{ui.Text{Console: d.app.console, Account: account.Name}}}
	summary, err := d.app.transfer(ctx, j, report)
	d.app.console.EndProgress()
	report.tell(d.app.console, account.Name, j.again(), summary, err)
	if code := report.exitCode(summary, err); code != exitDone {
		return exitStatus(code)
	}
	d.say("   = %s", ui.Summary{Summary: summary, Account: account.Name, Command: "sync", Duration: time.Since(started)})
	return nil
}

// demoReporter shows each action as a line of the demo's story.
type demoReporter struct{ ui.Text }

// Action shows what was done.
func (r demoReporter) Action(action plan.Action, result syncer.Result, _ error) {
	if result == syncer.Done {
		fmt.Fprintf(r.Console.Out(), "     %s\n", ui.ActionLine(action))
	}
}

// changeServer is what another device does meanwhile.
func (d *demo) changeServer() (err error) {
	c, err := d.server.client()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Logout().Wait()) }()
	fresh := demoMessage{from: "Katherine <katherine@example.org>", subject: "The numbers are good", text: "Ready when you are."}
	d.say("     server: a new message arrives in INBOX")
	d.say("     server: message 1 of INBOX is starred")
	d.say("     server: message 2 of Work/Project A is deleted")
	if err := appendMessage(c, "INBOX", fresh.octets(d.now), d.now); err != nil {
		return err
	}
	if err := changeFlags(c, "INBOX", 1, imap.StoreFlagsAdd, imap.FlagFlagged); err != nil {
		return err
	}
	if err := changeFlags(c, "Work/Project A", 2, imap.StoreFlagsAdd, imap.FlagDeleted); err != nil {
		return err
	}
	return c.UIDExpunge(imap.UIDSetNum(2)).Close()
}

// changeDisk is what a mail reader on this machine does meanwhile: it renames,
// writes and deletes files.
func (d *demo) changeDisk(ctx context.Context) error {
	d.say("     disk:   \"Can it think?\" is starred (its file is renamed)")
	d.say("     disk:   a draft is written to Entwürfe (a file appears)")
	d.say("     disk:   the newsletter is deleted (its file is removed)")
	file, err := d.find("INBOX", "Can it think?")
	if err != nil {
		return err
	}
	base, _, _ := strings.Cut(filepath.Base(file), ":2,")
	if err := os.Rename(file, filepath.Join(d.dir, "INBOX", "cur", base+":2,FRS")); err != nil {
		return err
	}
	draft := demoMessage{from: "me@example.org", subject: "Written offline", text: "On a train, without a network."}
	octets := strings.ReplaceAll(string(draft.octets(d.now)), "\r\n", "\n")
	name := fmt.Sprintf("%d.M1P1Q1.demo:2,DS", d.now.Unix())
	if err := os.WriteFile(filepath.Join(d.dir, "Entwürfe", "cur", name), []byte(octets), 0o600); err != nil {
		return err
	}
	if file, err = d.find("INBOX", "Ten things"); err != nil {
		return err
	}
	return os.Remove(file)
}

// find returns the file in a folder whose content has text in it.
func (d *demo) find(folder, text string) (string, error) {
	for _, part := range []string{"new", "cur"} {
		files, err := filepath.Glob(filepath.Join(d.dir, folder, part, "*"))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			if content, err := os.ReadFile(file); err == nil && strings.Contains(string(content), text) {
				return file, nil
			}
		}
	}
	return "", fmt.Errorf("%s: no file with %q: %w", folder, text, os.ErrNotExist)
}

// compare reads both sides with other code than the engine's.
func (d *demo) compare(ctx context.Context) error {
	remote, err := d.remoteContent()
	if err != nil {
		return err
	}
	local, err := d.localContent(ctx)
	if err != nil {
		return err
	}
	if !slices.Equal(remote, local) {
		return fmt.Errorf("%w:\nserver: %s\ndisk:   %s", errDiffer, strings.Join(remote, "\n        "), strings.Join(local, "\n        "))
	}
	return nil
}

// remoteContent lists the server's messages as sorted lines of mailbox, hash
// and flags, and mailboxes as lines of their own.
func (d *demo) remoteContent() (lines []string, err error) {
	c, err := d.server.client()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Logout().Wait()) }()
	names, err := mailboxNames(c)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		lines = append(lines, name)
		messages, err := remoteMessages(c, name)
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			flags := make([]string, len(m.Flags))
			for i, flag := range m.Flags {
				flags[i] = string(flag)
			}
			lines = append(lines, contentLine(name, m.BodySection[0].Bytes, mailbox.NewFlags(flags...)))
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func (d *demo) localContent(ctx context.Context) (lines []string, err error) {
	folders, err := d.disk.Folders(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range folders {
		lines = append(lines, string(name))
		messages, _, err := d.disk.List(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			body, err := d.disk.Open(ctx, name, m.Key)
			if err != nil {
				return nil, err
			}
			octets, err := io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil {
				return nil, err
			}
			lines = append(lines, contentLine(string(name), octets, m.Flags))
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func contentLine(name string, octets []byte, flags mailbox.Flags) string {
	return fmt.Sprintf("%s %x [%s]", name, sha256.Sum256(octets), strings.ToLower(flags.String()))
}
