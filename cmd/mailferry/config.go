package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
)

func newConfigCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at the configuration, or translate another program's",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Check the configuration and list its accounts",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.checkConfig() },
	}, newConfigTranslateCommand(a))
	return cmd
}

type accountObject struct {
	Type        string   `json:"type"`
	Account     string   `json:"account"`
	URL         string   `json:"url"`
	Store       string   `json:"store"`
	Mode        string   `json:"mode"`
	Layout      string   `json:"layout"`
	Mailboxes   []string `json:"mailboxes"`
	Connections int      `json:"connections"`
}

// reportMistakes prints each error of a configuration once: a variable may be
// wrong for all accounts.
func (a *app) reportMistakes(err error) error {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	told := map[string]bool{}
	for _, err := range errs {
		if text := err.Error(); !told[text] {
			told[text] = true
			a.console.Error(text, config.HintOf(err))
		}
	}
	if a.flags.json {
		ui.WriteJSON(a.out(), map[string]any{
			"type": "summary", "schema_version": ui.SchemaVersion, "command": "config check", "accounts": 0,
			"errors": len(told), "exit_code": exitUsage,
		})
	}
	return status(exitUsage)
}

// checkConfig prints every error, or the accounts as they are understood.
func (a *app) checkConfig() error {
	loaded, err := a.loadConfig()
	if err != nil {
		return a.reportMistakes(err)
	}
	accounts := loaded.Accounts()
	if a.flags.json {
		for _, account := range accounts {
			ui.WriteJSON(a.out(), accountObject{
				Type: "account", Account: account.Name, URL: account.Server.String(), Store: account.Store, Mode: account.Mode,
				Layout: account.Layout, Mailboxes: account.Mailboxes.Strings(), Connections: account.Connections,
			})
		}
		ui.WriteJSON(a.out(), map[string]any{
			"type": "summary", "schema_version": ui.SchemaVersion, "command": "config check", "accounts": len(accounts), "exit_code": 0,
		})
		return nil
	}
	if a.flags.quiet {
		return nil
	}
	if len(accounts) == 0 {
		path, _ := config.FilePath(a.flags.config, a.env)
		_, err := fmt.Fprintf(a.out(), "%s: no accounts\n", cmp.Or(loaded.Path, path))
		return err
	}
	table := tabwriter.NewWriter(a.out(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tMODE\tSERVER\tSTORE\tMAILBOXES")
	for _, account := range accounts {
		patterns := cmp.Or(strings.Join(account.Mailboxes.Strings(), " "), "all")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", account.Name, account.Mode,
			ui.Escape(cmp.Or(account.Server.String(), "tunnel")), ui.Escape(account.Store), ui.Escape(patterns))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out(), "%s: all is well\n", loaded.Path)
	return err
}
