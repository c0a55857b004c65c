package main

import (
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
)

func newBackupCommand(a *app) *cobra.Command {
	return newTransferCommand(a, &cobra.Command{
		Use:   "backup [ACCOUNT...] | backup URL DIR | backup DIR",
		Short: "Copy mail to disk; change nothing on the server",
		Long: `Copies all mail to disk. Writes nothing to the server and deletes nothing on
either side; messages missing on disk are downloaded again. The next run brings
only what is new. With --mirror, messages that are gone from the server move to
the store's trash.`,
		Example: "  mailferry backup imaps://me%40example.com@imap.example.com ~/Mail\n" +
			"  mailferry backup ~/Mail                         once more: the store knows its account",
	}, config.ModeBackup)
}
