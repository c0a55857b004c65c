package main

import (
	"fmt"
	"io"
	"strings"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/merge"
)

// showNext says what to do so that the mail stays together.
func (m *merging) showNext() {
	a := m.app
	if a.flags.json || a.flags.quiet || !a.console.OutIsTerminal() && a.flags.verbose == 0 {
		return
	}
	writeNext(a.out(), m)
}

func writeNext(w io.Writer, m *merging) {
	var b strings.Builder
	fmt.Fprintln(&b, "\nWhat to do next, so that it stays together")
	n := 1
	step := func(format string, args ...any) {
		fmt.Fprintf(&b, "%2d. %s\n", n, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n    "))
		n++
	}
	for i, source := range m.sources {
		for _, p := range merge.PopAccounts(source) {
			if p.LeavesOnServer {
				step("The PC of %s fetches %s by POP3 and leaves the mail there. Add the account\nanew as IMAP and remove the POP3 one: then all devices see the same.", source.Name(), p)
			} else {
				step("The PC of %s fetches %s by POP3 and empties the server: this is what\nsplits mail. In Thunderbird, first tick Account Settings > Server Settings >\n\"Leave messages on server\", then add the account anew as IMAP and remove the\nPOP3 one.", source.Name(), p)
			}
		}
		switch m.result.Sources[i].Kind {
		case merge.Outlook:
			step("Outlook with %s: File > Account Settings > the POP account > Change > More\nSettings > Advanced > \"Leave a copy of messages on the server\"; better, add the\naccount anew as IMAP.", source.Name())
		case merge.POP3:
			step("%s is read by POP3: whatever else fetches it must not delete there.", source.Name())
		}
	}
	if m.isServer() {
		account := m.into.account
		step("Check it; this says \"Nothing is missing\":\n%s --dry-run", m.typed())
		step("Keep a copy on each PC that follows the server (mailferry help configuration):\n\n[accounts.%s]\nurl   = %q\nstore = \"~/Mail/%s\"\nmode  = \"sync\"\n", tomlName(account.Name), identityURL(account), account.Name)
		step("If the server has little space, ONE machine may move old mail to disk, once the\nothers have it (mailferry help archive):\n\nmode = \"archive\"\n\n[accounts.%s.archive]\nolder_than = \"90d\"\nleave_for  = [\"pc1\", \"pc2\"]\n", tomlName(account.Name))
	} else if m.flags.into != "" {
		step("Put it on a server: mailferry sync imaps://user@imap.example.com %s\nuploads what the folder has and goes on from there.", m.into.typed)
	}
	step("Keep the sources until you have looked at the result: merge changed none of them.")
	io.WriteString(w, ui.EscapeLines(b.String()))
}

// tomlName quotes an account's name where TOML wants it.
func tomlName(name string) string {
	for _, r := range name {
		if !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}
