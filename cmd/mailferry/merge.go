package main

import (
	"strings"

	"github.com/spf13/cobra"

	"mailferry/syncer/merge"
)

// mergeFlags are the flags of merge.
type mergeFlags struct {
	transferFlags
	into, under, html, explain string
	maps                       []string
	yes, includeDeleted        bool
}

func newMergeCommand(a *app) *cobra.Command {
	var flags mergeFlags
	cmd := &cobra.Command{
		Use:   "merge SOURCE... --into ACCOUNT|URL|DIR",
		Short: "Bring mail together that was split over several PCs and programs",
		Long: `Finds out which source has which messages and brings together, on a server or
in a folder, what is missing there. Each message comes once, however many copies
of it there are.

A SOURCE is a path or a server: a Thunderbird profile, an mbox file or a folder
of them, a Maildir, a folder of .eml or .emlx files, a store of mailferry, an
Outlook PST or OST file (read with readpst), the URL of an IMAP or POP3 server,
or an account of the configuration. Its kind is recognised and shown; KIND:PATH
forces it: ` + kindNames() + `.

Sources are only read. The same message in two programs is recognised although
they changed it: what clients add is left out of the comparison, and a copy with
fewer transport fields gives way to the most complete one. Messages that merely
share a Message-ID stay two. --explain MESSAGE says why copies were or were not
taken for one; MESSAGE is a Message-ID, a file, or part of a subject.

On a terminal the report is shown and a question asked before anything is done.
--dry-run stops after the report, --html FILE writes it as a page. A second run
reads only what changed and uploads nothing twice; after an interruption type
the same line once more. See: mailferry help merge`,
		Example: "  mailferry merge ~/.thunderbird /mnt/laptop/Mail --into imaps://me%40example.org@imap.example.org --dry-run\n" +
			"  mailferry merge pc1.mbox mbox:/mnt/pc2/mail pop3s://me@pop.example.org --into home\n" +
			"  mailferry merge ~/old ~/older --into ~/Mail/all --under Merged/",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			m := &merging{app: a, flags: flags, args: args}
			return status(m.run(cmd.Context()))
		},
	}
	flags.addHarmless(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.into, "into", "", "where the mail comes together: a configured `ACCOUNT`, a URL, or a folder")
	f.StringArrayVar(&flags.maps, "map", nil, "put the sources' mailbox FROM (with * and ?) into TO: `FROM=TO`; repeatable")
	f.StringVar(&flags.under, "under", "", "keep everything apart, below the mailbox `NAME`")
	f.StringVar(&flags.html, "html", "", "also write the report as a page to `FILE`")
	f.StringVar(&flags.explain, "explain", "", "say why copies of `MESSAGE` were or were not taken for one, and do nothing")
	f.BoolVar(&flags.includeDeleted, "include-deleted", false, "also take messages that Thunderbird deleted and has not compacted yet")
	f.BoolVarP(&flags.yes, "yes", "y", false, "do not ask before the upload")
	f.BoolVar(&flags.newStore, "new-store", false, "make the folder in --into a store although it has content")
	return cmd
}

func kindNames() string {
	var names []string
	for _, kind := range merge.Kinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

// check finishes what the flags' own types cannot say.
func (f *mergeFlags) check(cmd *cobra.Command) error {
	if err := f.transferFlags.check(cmd); err != nil {
		return err
	}
	if f.into == "" && f.explain == "" && !f.dryRun {
		return hintedError{usagef("--into is missing: where the mail shall come together"),
			"mailferry merge SOURCE... --into imaps://user@imap.example.com\nor only look at who has what: --dry-run"}
	}
	if _, err := merge.NewMapping(f.maps, f.under, nil); err != nil {
		return usagef("--map: %w", err)
	}
	return nil
}

// completeSources offers accounts; the shell adds files.
func (a *app) completeSources(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.completeAccounts(cmd, args, text)
	return names, cobra.ShellCompDirectiveDefault
}
