package main

import (
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
)

func newSyncCommand(a *app) *cobra.Command {
	return newTransferCommand(a, &cobra.Command{
		Use:   "sync [ACCOUNT...] | sync URL DIR | sync DIR",
		Short: "Make server and disk the same, in both directions",
		Long: `Makes server and disk the same: new messages, flags, deletions and mailboxes
travel in both directions. The first run creates the store.

A message is deleted on one side only if it was on both and is provably gone
from the other. Files removed on disk stay in the store's trash for 30 days:
mailferry undo puts them back.`,
		Example: "  mailferry sync                                  all configured accounts\n" +
			"  mailferry sync imaps://me%40example.com@imap.example.com ~/Mail\n" +
			"  mailferry sync home --dry-run                   look before you leap",
	}, config.ModeSync)
}
