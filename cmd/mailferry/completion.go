package main

import "github.com/spf13/cobra"

func newCompletionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Write a script that completes command lines in a shell",
		Example: "  mailferry completion bash > ~/.local/share/bash-completion/completions/mailferry\n" +
			"  mailferry completion fish > ~/.config/fish/completions/mailferry.fish",
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(a.out(), true)
			case "zsh":
				return cmd.Root().GenZshCompletion(a.out())
			case "fish":
				return cmd.Root().GenFishCompletion(a.out(), true)
			case "powershell":
				return cmd.Root().GenPowerShellCompletionWithDesc(a.out())
			}
			return usagef("%s: no such shell; there are bash, zsh, fish and powershell", args[0])
		},
	}
}
