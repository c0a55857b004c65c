//go:build long

package export_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mailferry/syncer/export"
	"mailferry/syncer/mailbox"
)

// TestMailReadersTakeWhatIsExported lets mutt, Python's mailbox and notmuch
// (Debian's packages mutt, python3 and notmuch) count what they see.
func TestMailReadersTakeWhatIsExported(t *testing.T) {
	dir := t.TempDir()
	var messages []export.Message
	for i := range 40 {
		text := fmt.Sprintf("From: a%d@example.com\r\nTo: b@example.com\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <%d@example.com>\r\nSubject: m%d\r\n\r\nFrom the start\r\n>From there\r\n\r\nFrom x Mon Jan  1 00:00:00 2024\r\nend %d", i, i, i, i)
		flags := []string{mailbox.FlagSeen, mailbox.FlagFlagged, mailbox.FlagAnswered, "todo"}[:i%5]
		messages = append(messages, message("INBOX", mailbox.Key(fmt.Sprint(i)), text, flags...))
	}
	mbox, eml := export.NewMbox(openRoot(t, mkdir(t, dir, "mbox")), true), export.NewEML(openRoot(t, mkdir(t, dir, "eml")))
	for _, m := range messages {
		if _, err := mbox.Add(m); err != nil {
			t.Fatal(err)
		}
		if _, err := eml.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := mbox.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "mbox", "INBOX.mbox")

	seen := run(t, nil, "python3", "-c", "import mailbox,sys\nb=mailbox.mbox(sys.argv[1])\nprint(len(b),sum('R' in m.get_flags() for m in b),sum('F' in m.get_flags() for m in b),sum('A' in m.get_flags() for m in b))", file)
	if want := "40 32 24 16"; strings.TrimSpace(seen) != want {
		t.Errorf("Python sees %q, want %q messages, read, flagged, answered", seen, want)
	}

	rc := filepath.Join(dir, "muttrc")
	if err := os.WriteFile(rc, []byte("set mbox_type=Maildir\nset confirmcreate=no\nset confirmappend=no\nset resolve=no\nset folder=\""+dir+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	push := "push <tag-pattern>~A<enter><tag-prefix><copy-message>" + dir + "/copy<enter><exit>"
	run(t, []string{"TERM=xterm"}, "script", "-qec", "mutt -n -F "+rc+" -R -f "+file+" -e '"+push+"'", "/dev/null")
	copied, _ := filepath.Glob(filepath.Join(dir, "copy", "*", "*"))
	if len(copied) != 40 {
		t.Errorf("mutt copies %d messages, want 40", len(copied))
	}

	config := filepath.Join(dir, "notmuch-config")
	if err := os.WriteFile(config, []byte("[database]\npath="+filepath.Join(dir, "eml")+"\n[user]\nname=x\nprimary_email=x@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, []string{"NOTMUCH_CONFIG=" + config}, "notmuch", "new", "--quiet")
	if n := strings.TrimSpace(run(t, []string{"NOTMUCH_CONFIG=" + config}, "notmuch", "count", "*")); n != "40" {
		t.Errorf("notmuch counts %s messages, want 40", n)
	}
}

func mkdir(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
