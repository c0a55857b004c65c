package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/syncer/mailbox"
)

func newShowCommand(a *app) *cobra.Command {
	var raw bool
	var patterns []string
	cmd := &cobra.Command{
		Use:   "show [ACCOUNT | DIR] KEY | MESSAGE-ID | MAILBOX:UID",
		Short: "Print one message",
		Long: `Prints one message: from the store by its Maildir key or its Message-ID, or from
the account's server by mailbox and UID, as verify names what the store lacks.
Nothing is changed and nothing is marked as read.

On a terminal, control characters are shown and not obeyed; --raw, and any other
output, gets the message to the octet.`,
		Example: "  mailferry show home '<1234@example.com>'\n" +
			"  mailferry show home INBOX:17 >message.eml",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			selects, err := config.ParsePatterns(patterns)
			if err != nil {
				return usagef("--mailbox: %w", err)
			}
			if err := a.lacksArgument(args, "the message to show"); err != nil {
				return err
			}
			t, err := a.oneTarget(cmd.Context(), args[:len(args)-1])
			if err != nil {
				return err
			}
			var to io.Writer = a.out()
			if a.console.OutIsTerminal() && !raw {
				to = &escaped{to: a.out()}
			}
			err = a.show(cmd.Context(), t, args[len(args)-1], selects.Selects, to)
			if err != nil {
				a.console.Error(t.account.Name+": "+err.Error(), hintFor(err, ""))
			}
			return status(exitCode(err))
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "to the octet, also on a terminal")
	cmd.Flags().StringArrayVar(&patterns, "mailbox", nil, "look only in mailboxes that match `PATTERN`; ! excludes; repeatable")
	return cmd
}

func (a *app) show(ctx context.Context, t target, wanted string, selects func(mailbox.Name) bool, to io.Writer) error {
	if t.err != nil {
		return t.err
	}
	name, number, _ := cutLast(wanted, ":")
	if uid, err := strconv.ParseUint(number, 10, 32); err == nil && uid > 0 && !strings.Contains(wanted, "@") {
		return a.showRemote(ctx, t.account, typedName(name), mailbox.UID(uid), to)
	}
	both := &sides{}
	var err error
	if both.disk, err = openDisk(a, t.account, t.account.Store, true); err != nil {
		return err
	}
	defer both.Close()
	messages, err := findMessages(ctx, both.disk, selects, []string{wanted})
	if err != nil {
		return err
	}
	// Copies of one Message-ID: the first will do, in a fixed order.
	first := slices.Min(slices.Collect(maps.Keys(messages)))
	body, err := both.disk.Open(ctx, first, slices.Min(slices.Collect(maps.Keys(messages[first]))))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, body)
	return errors.Join(err, body.Close(), finishLine(to))
}

// showRemote fetches one message without marking it as read.
func (a *app) showRemote(ctx context.Context, account config.Account, name mailbox.Name, uid mailbox.UID, to io.Writer) error {
	both := &sides{}
	if err := both.openRemote(ctx, a, account, true); err != nil {
		return err
	}
	defer both.Close()
	seen, err := both.remote.Observe(ctx, name, mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil })
	if err != nil {
		return err
	}
	sink := &shown{to: to}
	ref := mailbox.Ref{Name: name, UIDValidity: seen.Status.UIDValidity}
	if err := both.remote.Fetch(ctx, ref, mailbox.UIDs(uid), mailbox.Whole, sink); err != nil {
		return err
	}
	if !sink.got {
		return fmt.Errorf("%s has no message with UID %d: %w", name, uid, mailbox.ErrNotFound)
	}
	return finishLine(to)
}

// shown is a FetchSink that writes one message on.
type shown struct {
	to  io.Writer
	got bool
}

func (s *shown) Receive(_ int64, body io.Reader) error {
	_, err := io.Copy(s.to, body)
	return err
}

func (s *shown) Row(mailbox.UID) error         { s.got = true; return nil }
func (s *shown) Drop(mailbox.UID, error) error { return nil }

// escaped makes a message harmless for a terminal, line by line.
type escaped struct {
	to   io.Writer
	rest []byte
}

// maxShownLine bounds what is held back of a line that does not end.
const maxShownLine = 64 << 10

// Write implements io.Writer.
func (e *escaped) Write(p []byte) (int, error) {
	e.rest = append(e.rest, p...)
	for {
		advance, line, _ := bufio.ScanLines(e.rest, false)
		if advance == 0 && len(e.rest) < maxShownLine {
			return len(p), nil
		}
		if advance == 0 {
			advance, line = len(e.rest), e.rest
		}
		if _, err := fmt.Fprintln(e.to, strings.ReplaceAll(ui.Escape(string(line)), `\x09`, "\t")); err != nil {
			return 0, err
		}
		e.rest = e.rest[advance:]
	}
}

// finishLine writes a last line without an end.
func finishLine(to io.Writer) error {
	if e, ok := to.(*escaped); ok && len(e.rest) > 0 {
		_, err := e.Write([]byte("\n"))
		return err
	}
	return nil
}

// cutLast cuts text at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}
