package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/verify"
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	against, html, proof, sampleText string
	quick, offline, both, restart    bool
	sample                           float64
	transferFlags
}

func newVerifyCommand(a *app) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [ACCOUNT... | DIR | URL] [--against ACCOUNT|URL]",
		Short: "Prove that a store and a server hold the same mail",
		Long: `Compares a store with its server, message by message: every file and every
message on the server is read and hashed (SHA-256), and each difference is named.
Nothing is changed anywhere. Exit code 15 says that there are differences.

With --against the store is compared with another account, the one that it was
restored to for example; with --both with its own server, too. Without a store,
verify URL --against URL compares two servers.

An interrupted verification goes on where it stopped, for a day. A server that
changed line ends or header fields when it took a message in is told apart from
one that lost it: such messages are counted as rewritten.

--html writes the result to one file that any browser opens, without a network:
keep it as a proof. verify --proof FILE checks later that everything the proof
lists is still in the store. mailferry help verify`,
		Example: "  mailferry verify home\n" +
			"  mailferry verify home --against imaps://me%40example.com@imap.example.com --html proof.html\n" +
			"  mailferry verify ~/Mail --offline               hash the files again: bit rot",
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkVerify(cmd, args); err != nil {
				return err
			}
			if f.proof != "" {
				return a.checkProof(cmd.Context(), args, f)
			}
			return a.verifyAll(cmd.Context(), args, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.against, "against", "", "compare with this `ACCOUNT or URL` instead of the store's own server")
	flags.BoolVar(&f.both, "both", false, "with --against: compare with the store's own server, too")
	flags.BoolVar(&f.quick, "quick", false, "compare UIDs, sizes, flags and dates only; read no message")
	flags.StringVar(&f.sampleText, "sample", "", "like --quick, and read this `SHARE` of the messages, such as 5%")
	flags.BoolVar(&f.offline, "offline", false, "no server: hash every file again and compare with what was written")
	flags.BoolVar(&f.restart, "restart", false, "do not go on with an interrupted verification")
	flags.StringVar(&f.html, "html", "", "write the result to `FILE` as a page to keep")
	flags.StringVar(&f.proof, "proof", "", "check that everything listed in `FILE`, made by --html, is still in the store")
	flags.IntVar(&f.connections, "connections", 0, "open at most `N` connections to a server (default 4)")
	flags.Var(&f.bandwidth, "bwlimit", "transfer at most `RATE` octets per second, such as 500k or 2M")
	flags.StringArrayVar(&f.mailboxes, "mailbox", nil, "only mailboxes that match `PATTERN`; ! excludes; repeatable")
	return cmd
}

// checkVerify refuses what does not go together.
func (f *verifyFlags) checkVerify(cmd *cobra.Command, args []string) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	switch {
	case f.offline && (f.against != "" || f.quick || f.sampleText != ""):
		return usagef("--offline goes without --against, --quick and --sample")
	case f.both && f.against == "":
		return usagef("--both goes with --against")
	case f.quick && f.sampleText != "":
		return usagef("--quick and --sample: say one of them")
	case f.proof != "" && (f.against != "" || f.quick || f.offline || f.sampleText != "" || f.html != ""):
		return usagef("--proof FILE goes without other ways to compare")
	case f.against != "" && len(args) > 1, f.html != "" && len(args) > 1:
		return usagef("with --against or --html, verify takes one account at a time")
	case len(args) > 0 && config.IsURL(args[0]) && f.against == "":
		return usagef("a URL alone has nothing to be compared with: verify URL --against URL, or verify DIR")
	}
	if f.sampleText != "" {
		digits, found := strings.CutSuffix(f.sampleText, "%")
		share, err := strconv.ParseFloat(digits, 64)
		if !found || err != nil || !(share > 0 && share <= 100) {
			return usagef("--sample %q: say a share such as 5%%", f.sampleText)
		}
		f.sample = share / 100
	}
	return nil
}

// verification is one account's comparison, or two.
type verification struct {
	account  string // the first side's name
	typed    string
	again    string // the line that does it again
	store    string
	flags    verifyFlags
	started  time.Time
	findings []finding
	traffic  mailbox.Traffic
	notes    []string
}

// finding is a comparison's report, and between what.
type finding struct {
	here, there string // names for people
	ownServer   bool
	report      *verify.Report
}

func (a *app) verifyAll(ctx context.Context, args []string, f verifyFlags) error {
	if len(args) > 0 && config.IsURL(args[0]) {
		return status(a.verifyServers(ctx, args[0], f))
	}
	targets, err := a.targets(ctx, args, false)
	if err != nil {
		return err
	}
	if len(targets) > 1 && (f.against != "" || f.html != "") {
		return usagef("%d accounts are configured: say which one", len(targets))
	}
	code := exitDone
	for _, t := range targets {
		if ctx.Err() != nil || a.stopped() {
			code = worse(code, exitInterrupted)
			break
		}
		code = worse(code, a.verifyStore(ctx, t, f).ExitCode)
	}
	return status(code)
}

// compare runs one comparison with progress, and keeps its report.
func (a *app) compare(ctx context.Context, v *verification, one finding, opts verify.Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-a.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	opts.Quick, opts.Sample = v.flags.quick, v.flags.sample
	opts.Chosen = func(share float64) bool { return rand.Float64() < share }
	if !v.flags.quick && !a.flags.quiet {
		opts.Progress = func(p verify.Progress) {
			ui.Text{Console: a.console, Account: v.account, Fleet: a.fleet}.Progress(syncer.Progress{
				Phase: "verifying", Messages: p.Messages, TotalMessages: p.TotalMessages, Octets: p.Octets,
				TotalOctets: p.TotalOctets, Mailboxes: p.Mailboxes, TotalMailboxes: p.TotalMailboxes,
			})
		}
	}
	report, err := verify.Run(ctx, opts)
	if err != nil {
		if a.stopped() || errors.Is(err, context.Canceled) {
			return fmt.Errorf("%w: %w", mailbox.ErrStopped, err)
		}
		return err
	}
	report.Describe(ctx, opts, maxDescribed)
	one.report = report
	v.findings = append(v.findings, one)
	return nil
}

// maxDescribed is how many differences are shown with their subject.
const maxDescribed = 200
