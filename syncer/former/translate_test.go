package former

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lineOfTOML is what each line of a translation is: a comment, a table, a key
// with a value, or nothing. Nothing that stands in the other program's file may
// become a line of its own.
var lineOfTOML = regexp.MustCompile(`^(#.*|\[accounts\.[^\n]+\]|[a-z_]+ = ("([^"\\]|\\.)*"|\[.*\]|true|false|[0-9]+)|)$`)

func translationOf(t testing.TB, accounts []Account) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, accounts, "x\ny"); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if !lineOfTOML.MatchString(line) {
			t.Errorf("not a line of a configuration: %q", line)
		}
	}
	return b.String()
}

func asIs(name string) string { return name }

func FuzzTranslateMbsync(f *testing.F) {
	f.Add("IMAPStore a\nHost h\nUser \"u@h\"\nPassCmd \"+pass show \\\"x\\\"\"\n\nMaildirStore b\nPath ~/M/\n\nChannel c\nFar :a:\nNear :b:\nPatterns * !x\n")
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := ParseMbsyncrc(strings.NewReader(text))
		if err == nil {
			translationOf(t, TranslateMbsync(Source{settings, asIs}))
		}
	})
}

func FuzzTranslateOfflineimap(f *testing.F) {
	f.Add("[general]\naccounts = A\n[Account A]\nlocalrepository = L\nremoterepository = R\n[Repository L]\ntype = Maildir\nlocalfolders = ~/M\n[Repository R]\ntype = IMAP\nremotehost: h\nfolderfilter = lambda f: f in [\n  'x']\n")
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := ParseOfflineimaprc(strings.NewReader(text))
		if err == nil {
			translationOf(t, TranslateOfflineimap(Source{settings, asIs}))
		}
	})
}

func TestNoPasswordIsTranslated(t *testing.T) {
	settings, err := ParseMbsyncrc(strings.NewReader("IMAPAccount a\nHost h\nUser u\nPass hunter2\n\nIMAPStore a\nAccount a\n\nMaildirStore b\nPath ~/M/\n\nChannel c\nFar :a:\nNear :b:\n"))
	if err != nil {
		t.Fatal(err)
	}
	if text := translationOf(t, TranslateMbsync(Source{settings, asIs})); strings.Contains(text, "hunter2") || !strings.Contains(text, "not copied") {
		t.Error(text)
	}
	settings, err = ParseOfflineimaprc(strings.NewReader("[Account A]\nlocalrepository=L\nremoterepository=R\n[Repository L]\ntype=Maildir\nlocalfolders=~/M\n" +
		"[Repository R]\ntype=IMAP\nremotepass = hunter2\nremotepasseval = 'hunter2'\noauth2_client_secret = hunter2\nproxy_password = hunter2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if text := translationOf(t, TranslateOfflineimap(Source{settings, asIs})); strings.Contains(text, "hunter2") {
		t.Error(text)
	}
}

func TestWordsOfMbsync(t *testing.T) {
	for line, want := range map[string][]string{
		`Far :gmail:"[Gmail]/Sent Mail"`:    {"Far", ":gmail:[Gmail]/Sent Mail"},
		`PassCmd "+pass \"a b\""`:           {"PassCmd", `+pass "a b"`},
		`Patterns   *  !Junk ` + "\t" + `x`: {"Patterns", "*", "!Junk", "x"},
		`User ""`:                           {"User", ""},
	} {
		if got, err := mbsyncWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	if _, err := mbsyncWords(`User "x`); err == nil {
		t.Error("a quote that is not closed")
	}
}
