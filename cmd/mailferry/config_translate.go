package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/google/renameio/v2/maybe"
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/former"
)

func newConfigTranslateCommand(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "translate mbsync|offlineimap FILE",
		Short: "Write mbsync's or offlineimap's configuration as mailferry has it",
		Long: `Reads a configuration of mbsync (~/.mbsyncrc) or offlineimap (~/.offlineimaprc) and
prints one of mailferry. What has no counterpart, or is different here, stands in
it as a comment: what offlineimap has as Python, for instance. Commands that
print a password are taken over; passwords themselves never are.

Nothing is changed, and no server is asked. --output writes a file of its own;
one that is there already is not replaced.
See: mailferry help coming-from-elsewhere`,
		Example: "  mailferry config translate mbsync ~/.mbsyncrc\n" +
			"  mailferry config translate offlineimap ~/.offlineimaprc --output ~/.config/mailferry/config.toml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 || !slices.Contains(importTools, args[0]) {
				return hintedError{usagef("it is: config translate mbsync FILE, or config translate offlineimap FILE"), "mailferry config translate mbsync ~/.mbsyncrc"}
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return importTools, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.translate(args[0], args[1], output) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE` instead of standard output")
	return cmd
}

// translate prints another program's configuration as one of ours.
func (a *app) translate(tool, path, output string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	source := former.Source{Decode: decodePattern}
	translated := former.TranslateMbsync
	if tool == "mbsync" {
		source.Settings, err = former.ParseMbsyncrc(file)
	} else {
		source.Settings, err = former.ParseOfflineimaprc(file)
		translated = former.TranslateOfflineimap
	}
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", path, err)}
	}
	accounts := translated(source)
	if len(accounts) == 0 {
		return hintedError{usagef("%s: nothing in it is an account of %s", path, tool), "is it the other program's? mailferry help coming-from-elsewhere"}
	}
	former.KeepApart(accounts)
	var text bytes.Buffer
	if err := former.Write(&text, accounts, path); err != nil {
		return err
	}
	if output != "" {
		if _, err := os.Lstat(output); !errors.Is(err, fs.ErrNotExist) {
			return hintedError{usagef("%s: is there already and is not replaced", output), "mailferry config translate " + tool + " " + quoted(path) + "  prints it"}
		}
		return maybe.WriteFile(output, text.Bytes(), 0o600)
	}
	if a.flags.json {
		ui.WriteJSON(a.out(), map[string]any{
			"type": "summary", "schema_version": ui.SchemaVersion, "command": "config translate", "accounts": len(accounts), "toml": text.String(), "exit_code": 0,
		})
		return nil
	}
	_, err = a.out().Write(text.Bytes())
	return err
}

// decodePattern reads a pattern of mailboxes in modified UTF-7.
func decodePattern(pattern string) string {
	if name, err := nameThere(pattern); err == nil {
		return string(name)
	}
	return pattern
}
