package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"syscall"

	"mailferry/cmd/internal/config"
	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// The exit codes. (mailferry help exit-codes)
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartly      = 3
	exitNotSetUp    = 10
	exitLocked      = 11
	exitAuth        = 12
	exitTemporary   = 13
	exitGuarded     = 14
	exitDifferent   = 15
	exitInterrupted = 130
)

// severity orders exit codes for a run over several accounts: the worst is the
// one that most needs a person. Later is worse.
var severity = []int{
	exitDone, exitTemporary, exitDifferent, exitPartly, exitLocked, exitGuarded, exitAuth, exitNotSetUp, exitUsage, exitFailed, exitInterrupted,
}

// worse returns the exit code of both that needs a person more.
func worse(a, b int) int {
	if slices.Index(severity, a) >= slices.Index(severity, b) {
		return a
	}
	return b
}

// exitRow says which exit code an error means, and what to do about it. %s in
// a hint is the command to type again.
type exitRow struct {
	err  error
	code int
	hint string
}

// exitTable is searched from the top: the first error that matches decides.
var exitTable = []exitRow{
	{syncer.ErrAlarm, exitFailed, "look at the mailbox with another program before you go on with: %s"},
	{context.Canceled, exitInterrupted, "nothing is lost; go on with: %s"},
	{mailbox.ErrStopped, exitInterrupted, "what is done is done; go on with: %s"},
	{errNotSetUp, exitNotSetUp, ""},
	{errNoMailbox, exitFailed, "is the name right, with / between levels? mailferry state lists those that are known"},
	{config.ErrNoPassword, exitAuth, ""},
	{state.ErrMarkerMissing, exitGuarded, "is the disk mounted? Mount it, then: %[1]s\n" +
		"if the store is gone for good and a new one shall be made there: %[1]s --new-store"},
	{state.ErrOtherStore, exitGuarded, "is the right disk mounted? Mount it, then: %[1]s\n" +
		"if this store is the right one: %[1]s --new-store"},
	{state.ErrMoving, exitNotSetUp, ""},
	{state.ErrOtherAccount, exitNotSetUp, "give every account a folder of its own; or was it moved? Then set url to what it is of (mailferry help migration)"},
	{state.ErrOtherLayout, exitUsage, "set layout in the configuration to the store's"},
	{state.ErrNotAStore, exitNotSetUp, "name an empty folder, or take over the Maildir that is there: %s --new-store"},
	{state.ErrNotAFolder, exitNotSetUp, "name a folder, or one that is to be made"},
	{state.ErrInsideStore, exitNotSetUp, "name a folder outside of it: each store has a folder of its own"},
	{maildirout.ErrInnerStore, exitNotSetUp, "move that store to a folder of its own, then: %s"},
	{state.ErrLocked, exitLocked, "wait until the other run has ended, then: %s"},
	{state.ErrNewerVersion, exitFailed, "install the newest mailferry"},
	{state.ErrDamaged, exitFailed, "the state will be built anew from both sides: %s"},
	{state.ErrFull, exitFailed, "make room on the disk, then: %s"},
	{state.ErrReadOnly, exitFailed, "make the store's disk writable, then: %s"},
	{syscall.ENOSPC, exitFailed, "make room on the disk, then: %s"},
	{syscall.EDQUOT, exitFailed, "make room on the disk, then: %s"},
	{mailbox.ErrNoUIDPlus, exitPartly, "what is marked is yours to purge: expunge the mailbox with your mail program"},
	{mailbox.ErrTLS, exitFailed, "is the server's name right? A private authority's certificate goes into tls_ca_file, " +
		"a self-signed one's SHA-256 into tls_pin (mailferry help configuration)"},
	{mailbox.ErrAuth, exitAuth, "check user and password; many providers want an app password, or OAuth2 (mailferry help oauth)"},
	{mailbox.ErrUnavailable, exitTemporary, "the server asks to come back later; then: %s"},
	{mailbox.ErrNetwork, exitTemporary, "try again later: %s"},
	{mailbox.ErrProtocol, exitFailed, "nothing is lost; try again, and with -vv if it stays: %s"},
	{mailbox.ErrGone, exitPartly, "if they are missed, upload them once more: %s --again"},
	{mailbox.ErrQuota, exitFailed, "make room on the server, then: %s"},
	{fs.ErrPermission, exitFailed, "are folder and files yours? Then: %s"},
}

// exitCode maps an error to its exit code.
func exitCode(err error) int {
	var status exitStatus
	var detailed *config.Error
	var command *config.SecretCommandError
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage), errors.As(err, &detailed):
		return exitUsage
	case errors.As(err, &command) && !errors.Is(err, context.Canceled):
		return exitAuth
	}
	for _, row := range exitTable {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return exitFailed
}

// helpHint is the hint where there is no better one.
const helpHint = "mailferry help"

// hintFor says what to do about an error. Again is the command to type again,
// or "" where there is none.
func hintFor(err error, again string) string {
	var hinted hintedError
	var moving *state.MovingError
	var command *config.SecretCommandError
	var usage usageError
	var refused *mailbox.ServerError
	switch {
	case errors.As(err, &hinted):
		return hinted.hint
	case config.HintOf(err) != "":
		return config.HintOf(err)
	case errors.As(err, &moving):
		return "go on with: mailferry account move " + quoted(moving.Path) + " --to " + quoted(moving.URL)
	case errors.As(err, &usage):
		return helpHint
	case errors.As(err, &command):
		return "run it by hand to see what is wrong with it"
	case errors.As(err, &refused) && refused.Kind == nil && again != "":
		return "that is the server's own word; nothing is lost. Again, with -vv to see what was asked: " + again
	}
	if hint := networkHint(err); hint != "" && again != "" {
		return hint + again
	}
	for _, row := range exitTable {
		if !errors.Is(err, row.err) {
			continue
		}
		if row.hint == "" || again == "" {
			return ""
		}
		if !containsVerb(row.hint) {
			return row.hint
		}
		return fmt.Sprintf(row.hint, again)
	}
	return ""
}

// networkHint says what an unreachable server may mean, "" if that is unclear.
func networkHint(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "is the server's name right, and this machine online? Then: "
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing answers there: are name and port right (imaps 993, imap 143, pop3s 995, pop3 110), and is the server up? Then: "
	}
	return ""
}

func containsVerb(hint string) bool { return slices.Contains([]byte(hint), '%') }

// exitStatus is an error that has been reported already.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// status makes an error of a code; nil for 0.
func status(code int) error {
	if code == exitDone {
		return nil
	}
	return exitStatus(code)
}

// usageError is about how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errNotSetUp: there is no such account or store.
var errNotSetUp = errors.New("not set up")

// hintedError carries a hint of its own.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Unwrap() error { return e.error }
