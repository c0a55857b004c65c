package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/discover"
	"mailferry/cmd/internal/monitor"
	"mailferry/cmd/internal/ui"
)

// app is what all commands share.
type app struct {
	console *ui.Console
	stdin   *os.File
	env     func(string) string
	flags   globalFlags
	log     *slog.Logger
	// stop is closed when the user asks to stop.
	stop <-chan struct{}
	// stopSignal is how, once stop is closed.
	stopSignal os.Signal
	// answers are passwords that the user was asked for and has to give only
	// once; nil: each time.
	answers *answers
	// parsed says that the command line was understood, so that an error is
	// no longer about how the program was called.
	parsed bool
	// help is the line that explains the command, "" before that is known.
	help   string
	config *config.Config
	// pings is shared, as is its patience.
	pings *monitor.Pinger
	// finder looks for servers.
	finder discover.Finder
	// fleet, if not nil, draws the progress of accounts that run together.
	// telling is held while one tells how it ended, asking while one asks.
	fleet           *ui.Fleet
	telling, asking sync.Mutex
}

// globalFlags are the flags of every command.
type globalFlags struct {
	config    string
	json      bool
	quiet     bool
	verbose   int
	noInput   bool
	noColor   bool
	logFormat string
}

func (f *globalFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.config, "config", "", "configuration `FILE`")
	flags.BoolVar(&f.json, "json", false, "results as JSON, one object a line")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress, only errors")
	flags.CountVarP(&f.verbose, "verbose", "v", "tell more; -vv tells all")
	flags.BoolVar(&f.noInput, "no-input", false, "never ask anything")
	flags.BoolVar(&f.noColor, "no-color", false, "no colours (also NO_COLOR)")
	flags.StringVar(&f.logFormat, "log-format", "text", "format of what -v tells: text, json, or logfmt, which has errors as records, too")
}

// execute runs a command line and returns the exit code.
func execute(args []string) int {
	a := &app{
		console: ui.NewConsole(os.Stdout, os.Stderr),
		stdin:   os.Stdin,
		env:     os.Getenv,
		log:     slog.New(slog.DiscardHandler),
	}
	ctx, release := a.watchSignals(context.Background())
	defer release()
	root := newRootCommand(a)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err != nil && !a.parsed {
		err = usageError{err}
	}
	if command.HasParent() {
		a.help = strings.Replace(command.CommandPath(), "mailferry", helpHint, 1)
	}
	return a.conclude(err)
}

// conclude reports an error that was not reported yet.
func (a *app) conclude(err error) int {
	var status exitStatus
	if err == nil || errors.As(err, &status) {
		return int(status)
	}
	a.console.EndProgress()
	hint := hintFor(err, "")
	if hint == helpHint && a.help != "" {
		hint = a.help
	}
	a.console.Error(err.Error(), hint)
	return exitCode(err)
}

// numberError is how the library says that a flag's value is no number.
var numberError = regexp.MustCompile(`strconv\.Parse\w+: parsing ("[^"]*"): .*`)

// flagError says so for people.
func flagError(_ *cobra.Command, err error) error {
	return usageError{errors.New(numberError.ReplaceAllString(err.Error(), "$1 is not what it takes"))}
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "mailferry",
		Short: "Keep mail on an IMAP server and in a Maildir the same, or back it up",
		Long: `mailferry keeps a mailbox on an IMAP server and a Maildir on disk the same, or
backs the mailbox up.

  mailferry demo                          see it work; needs no account
  mailferry init me@example.com           set up an account, by questions and answers
  mailferry backup URL DIR                copy all mail to DIR, change nothing on the server
  mailferry sync URL DIR                  two-way: what changes on one side changes on the other
  mailferry archive URL DIR               copy, prove, then delete old mail from the server

A URL is imaps://user@imap.example.com; an @ in the user is written %40.
Topics to read: ` + topicNames() + ` (mailferry help TOPIC).`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		Args:              noCommand,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.prepare() },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.Version = buildVersion().Version
	root.SetVersionTemplate("mailferry {{.Version}}\n")
	root.SetOut(a.console.Out())
	root.SetErr(a.console.Err())
	a.flags.add(root.PersistentFlags())
	root.AddCommand(
		newInitCommand(a),
		newSyncCommand(a),
		newBackupCommand(a),
		newArchiveCommand(a),
		newRestoreCommand(a),
		newAccountCommand(a),
		newVerifyCommand(a),
		newExportCommand(a),
		newMergeCommand(a),
		newImportStateCommand(a),
		newShowCommand(a),
		newRunCommand(a),
		newWatchCommand(a),
		newScheduleCommand(a),
		newStatusCommand(a),
		newAuthCommand(a),
		newUndoCommand(a),
		newDoctorCommand(a),
		newDemoCommand(a),
		newStateCommand(a),
		newConfigCommand(a),
		newVersionCommand(a),
		newCompletionCommand(a),
		newManCommand(a),
	)
	root.SetHelpCommand(newHelpCommand(a))
	a.completeFlags(root)
	return root
}

// noCommand explains an argument that is no command, and the nearest one.
func noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	root.SuggestionsMinimumDistance = 2
	err := usagef("unknown command %q", args[0])
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return hintedError{err, fmt.Sprintf("did you mean %q?", near[0])}
	}
	return err
}

// prepare runs before every command, once its flags and arguments are right.
func (a *app) prepare() error {
	if format := a.flags.logFormat; !slices.Contains(ui.LogFormats, format) {
		return fmt.Errorf("--log-format %q: allowed are %s", format, strings.Join(ui.LogFormats, ", "))
	}
	a.parsed = true
	color := a.console.IsTerminal() && !a.flags.noColor && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
	journal := ui.IsJournal(os.Stderr, a.env("JOURNAL_STREAM"))
	a.console.SetJournal(journal)
	a.log = ui.NewLog(a.console.Err(), a.flags.logFormat, a.flags.verbose, color, journal)
	if a.flags.logFormat == "logfmt" {
		a.console.SetRecords(a.log)
	}
	a.pings = &monitor.Pinger{Log: a.log}
	return nil
}

// out is where results go.
func (a *app) out() io.Writer { return a.console.Out() }

// loadConfig reads the configuration once.
func (a *app) loadConfig() (*config.Config, error) {
	if a.config != nil {
		return a.config, nil
	}
	path, explicit := config.FilePath(a.flags.config, a.env)
	loaded, err := config.Load(path, explicit, a.env)
	if err != nil {
		return nil, err
	}
	a.config = loaded
	return loaded, nil
}
