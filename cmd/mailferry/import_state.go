package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// importTools are the programs whose memory can be taken over.
var importTools = []string{"mbsync", "offlineimap"}

// importFlags are those of import-state.
type importFlags struct {
	account, from string
	maps          []string
	dryRun        bool
	names         map[string]string
}

// check finishes what the flags' own types cannot say.
func (f *importFlags) check() error {
	if f.account == "" {
		return hintedError{usagef("--account is missing: the account that the mail is of"),
			"accounts are listed by: mailferry config check\nthe other program's configuration is translated by: mailferry config translate"}
	}
	f.names = map[string]string{}
	for _, text := range f.maps {
		path, name, ok := strings.Cut(text, "=")
		if !ok || path == "" || name == "" {
			return usagef("--map %q: it is FOLDER=MAILBOX", text)
		}
		f.names[path] = name
	}
	return nil
}

func newImportStateCommand(a *app) *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use:   "import-state mbsync|offlineimap PATH --account ACCOUNT",
		Short: "Go on where mbsync or offlineimap stopped, without downloading again",
		Long: `Makes the Maildir that mbsync or offlineimap filled a store of mailferry, and
takes over what the other program remembers: which file is which message on the
server, and which flags both sides had. The next sync then carries only what
changed since.

PATH is the other program's configuration (~/.mbsyncrc, ~/.offlineimaprc), the
folder in which it remembers (~/.mbsync, ~/.offlineimap), or the Maildir itself
where mbsync keeps its memory inside (SyncState *). The account's store is the
Maildir: set store, and for Maildir++ layout, to where the mail is.

Nothing of it is believed that server and disk do not confirm: a message counts
as known only where its file and the message on the server are both there and are
the same. All else is compared by content at the next sync, as if it were new. No
message on the server is deleted because of what the other program remembers; what
was deleted on disk since its last run comes back. So let it run once more first.

Files keep their names and their octets; each gets the date of its message. A
folder is renamed only where mailferry calls the mailbox otherwise (umlauts,
other names for Sent and the like). Look first: --dry-run changes nothing. The
server is only read. Do not let both programs work on the mail afterwards.
See: mailferry help coming-from-elsewhere`,
		Example: "  mailferry import-state mbsync ~/.mbsyncrc --account home --dry-run\n" +
			"  mailferry import-state mbsync ~/.mbsyncrc --account home\n" +
			"  mailferry import-state offlineimap ~/.offlineimap --account work --from Work",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 || !slices.Contains(importTools, args[0]) {
				return hintedError{usagef("it is: import-state mbsync PATH, or import-state offlineimap PATH"),
					"mailferry import-state mbsync ~/.mbsyncrc --account NAME --dry-run"}
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return importTools, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			t, err := a.accountTarget(flags.account)
			if err != nil {
				return err
			}
			i := &importing{app: a, target: t, tool: args[0], from: args[1], flags: flags}
			return status(i.run(cmd.Context()))
		},
	}
	cmd.Flags().StringVar(&flags.account, "account", "", "the configured `ACCOUNT` that the mail is of")
	cmd.Flags().StringVar(&flags.from, "from", "", "the other program's channel or account, where it has several: `NAME`")
	cmd.Flags().StringArrayVar(&flags.maps, "map", nil, "what a folder is called on the server, for nametrans: `FOLDER=MAILBOX`; repeatable")
	cmd.Flags().BoolVarP(&flags.dryRun, "dry-run", "n", false, "show what would be taken over and change nothing")
	return cmd
}

// accountTarget is a configured account by its name.
func (a *app) accountTarget(name string) (target, error) {
	loaded, err := a.loadConfig()
	if err != nil {
		return target{}, err
	}
	account, ok := loaded.Account(name)
	if !ok {
		hint := "mailferry config check  lists the accounts"
		if near := loaded.Nearest(name); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return target{}, hintedError{fmt.Errorf("%s: no account of that name is configured: %w", name, errNotSetUp), hint}
	}
	return target{account: account, typed: name}, nil
}
