package main

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mailferry/syncer/imapremote"
	"mailferry/syncer/plan"
)

//go:embed topics/*.md
var topicFiles embed.FS

// topicList names the topics in the order in which they are offered.
var topicList = []string{
	"decisions", "safety", "trust", "exit-codes", "unattended", "watch", "many-accounts", "archive", "migration", "merge", "pop3", "configuration",
	"providers", "oauth", "oauth-google", "oauth-microsoft", "connections", "state", "maildir", "verify", "coming-from-elsewhere",
}

func topicNames() string { return strings.Join(topicList, ", ") }

func newHelpCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Help about a command or a topic: " + topicNames(),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			names := slices.Clone(topicList)
			for _, command := range cmd.Root().Commands() {
				names = append(names, command.Name())
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(topicList, args[0]) {
				return writeTopic(a.out(), args[0])
			}
			found, rest, err := cmd.Root().Find(args)
			if err != nil || found == nil || len(args) > 0 && len(rest) > 0 {
				return usagef("no command and no topic %q; topics are %s", strings.Join(args, " "), topicNames())
			}
			return found.Help()
		},
	}
}

func writeTopic(w io.Writer, name string) error {
	text, err := topicFiles.ReadFile("topics/" + name + ".md")
	if err != nil {
		return err
	}
	page := strings.Replace(string(text), "{{rules}}\n", ruleTable(), 1)
	page = strings.Replace(page, "{{extensions}}\n", extensionTable(), 1)
	page = strings.Replace(page, "{{providers}}\n", providersTable(), 1)
	_, err = io.WriteString(w, page)
	return err
}

// extensionTable is the table of what is made use of.
func extensionTable() string {
	var b strings.Builder
	for _, row := range imapremote.Extensions() {
		fmt.Fprintf(&b, "  %-17s %s: %s\n  %-17s without it: %s\n", row.Name, row.RFC, row.Gains, "", row.Without)
	}
	return b.String()
}

// ruleTable is the table that decides, so that the page cannot say otherwise.
func ruleTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %-9s %-9s %-37s %s\n", "server", "disk", "what happens", "because")
	for _, row := range plan.Rules() {
		fmt.Fprintf(&b, "  %-9s %-9s %-37s %s\n", row.Server, row.Disk, row.What, row.Because)
	}
	return b.String()
}
