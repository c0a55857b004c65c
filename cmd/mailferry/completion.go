package main

import (
	"io"

	"github.com/spf13/cobra"
)

// shells are those that command lines can be completed in.
var shells = []struct {
	name string
	// file is what packages call the script.
	file  string
	write func(*cobra.Command, io.Writer) error
}{
	{"bash", "mailferry.bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
	{"zsh", "_mailferry", (*cobra.Command).GenZshCompletion},
	{"fish", "mailferry.fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }},
	{"powershell", "mailferry.ps1", (*cobra.Command).GenPowerShellCompletionWithDesc},
}

func newCompletionCommand(a *app) *cobra.Command {
	var names []string
	for _, shell := range shells {
		names = append(names, shell.name)
	}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Write a script that completes command lines in a shell",
		Long: `Writes a script with which a shell completes command lines: commands, flags, the
accounts of the configuration, and for --mailbox the mailboxes that are known of
an account. No server is asked. Packages install the scripts by themselves.`,
		Example: "  mailferry completion bash > ~/.local/share/bash-completion/completions/mailferry\n" +
			"  mailferry completion fish > ~/.config/fish/completions/mailferry.fish",
		Args:      cobra.ExactArgs(1),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, shell := range shells {
				if shell.name == args[0] {
					return shell.write(cmd.Root(), a.out())
				}
			}
			return usagef("%s: no such shell; there are bash, zsh, fish and powershell", args[0])
		},
	}
}
