package maildirout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailferry/syncer/mailbox"
)

func TestOrdinaryNamesAreFoldersToTheLetter(t *testing.T) {
	n := naming{layout: FS}
	for _, name := range []string{"INBOX", "Old Mail", "P/Q", "Entwürfe/ä", "日本", ".hidden", "50%", "a.b", "CON", "x%2Fy", "Foo", "👨‍👩‍👧"} {
		if got := string((&Store{naming: n}).plainPath(mailbox.Name(name))); got != name {
			t.Errorf("%q is the folder %q", name, got)
		}
	}
}

func TestNamesWithAMeaningAreEscaped(t *testing.T) {
	tests := []struct {
		layout Layout
		name   mailbox.Name
		want   string
	}{
		{FS, "..", "%2E."}, {FS, ".", "%2E"}, {FS, "foo/../bar", "foo/%2E./bar"},
		{FS, "/etc/passwd", "%~/etc/passwd"}, {FS, "a//b", "a/%~/b"}, {FS, "", "%~"},
		{FS, "cur", "%63ur"}, {FS, "x/New", "x/%4Eew"}, {FS, "tmp/tmp", "%74mp/%74mp"},
		{FS, ".mailferry", "%2Emailferry"}, {FS, ".Mailferry", "%2EMailferry"}, {FS, "a/.mailferry", "a/.mailferry"},
		{FS, "a/dovecot-keywords", "a/%64ovecot-keywords"}, {FS, "a/mailferry-name", "a/%6Dailferry-name"},
		{FS, "a\x00b", "a%00b"}, {FS, "a\r\nb\x1b[", "a%0D%0Ab%1B["}, {FS, "a\u009bb", "a%C2%9Bb"},
		{FS, "a\u202eb", "a%E2%80%AEb"}, {FS, "a\xffb", "a%FFb"}, {FS, "%~", "%%7E"},
		{FS, mailbox.JoinText("%41"), "%2541"}, {FS, "%41", "%2541"}, {FS, mailbox.JoinText("a/b"), "a%2Fb"},
		{FS, mailbox.Join(mailbox.Level{Text: "&Jjo!", Raw: true}), "%x26Jjo!"},
		{FS, "inbox/x", "INBOX/x"},
		{MaildirPP, "INBOX", ""}, {MaildirPP, "Sub/Folder", ".Sub.Folder"}, {MaildirPP, "a.b/c", ".a%2Eb.c"},
		{MaildirPP, "..", ".%2E%2E"}, {MaildirPP, "a//b", ".a.%~.b"}, {MaildirPP, "INBOX/x", ".INBOX.x"},
	}
	for _, test := range tests {
		if got := string((&Store{naming: naming{layout: test.layout}}).plainPath(test.name)); got != test.want {
			t.Errorf("%s %q is the folder %q, want %q", test.layout, test.name, got, test.want)
		}
	}
	windows := &Store{naming: naming{layout: FS, windows: true}}
	for name, want := range map[mailbox.Name]string{"CON": "%43ON", "nul.txt": "%6Eul.txt", "a.": "a%2E", `a\b:c`: "a%5Cb%3Ac"} {
		if got := string(windows.plainPath(name)); got != want {
			t.Errorf("on Windows %q is the folder %q, want %q", name, got, want)
		}
	}
}

func TestHostileNamesRoundTripInsideTheStore(t *testing.T) {
	deep := strings.TrimSuffix(strings.Repeat("d/", 250), "/")
	hostile := []mailbox.Name{
		"../../.ssh/authorized_keys", "foo/../bar", "/etc/passwd", "a//b", "a/", "/", ".", "..", "cur", "new", "tmp", "cur/new/tmp",
		".hidden", ".mailferry", ".mailferry/trash", "mailferry", "Foo", "foo", "fOO", "FOO", "é", "e\u0301", "É", "straße", "STRASSE",
		mailbox.Name(strings.Repeat("x", 300)), mailbox.Name(strings.Repeat("x", 299) + "y"), mailbox.Name(strings.Repeat("ü", 200)),
		mailbox.Name(deep), mailbox.Name(deep + "/e"), mailbox.Name(strings.Repeat("L"+strings.Repeat("l", 250)+"/", 20) + "z"),
		"raw\xff", "\xff", "%FF", "%xff", "a\x00b", "a\r\nb", "\x1b[2J", "\u009b", "\u202eabc", "CON", "a.", `back\slash`, "a:b",
		"dovecot-keywords", "INBOX/cur", "%~", "%", "%%", "%2", "%2F", "%7E", "x%~" + mailbox.Name(strings.Repeat("0", 32)),
	}
	for _, layout := range []Layout{FS, MaildirPP} {
		s, dir, _ := openStore(t, layout)
		create(t, s, "INBOX")
		want := []mailbox.Name{"INBOX"}
		for _, name := range hostile {
			create(t, s, name)
			want = append(want, canonical(name))
		}
		slices.Sort(want)
		names, err := s.Folders(context.Background())
		if err != nil || !slices.Equal(names, want) {
			t.Fatalf("%s: %v\ngot  %q\nwant %q", layout, err, names, want)
		}
		// Another process knows nothing but the disk.
		again, err := Open(Options{Dir: dir, Layout: layout})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		for i, name := range hostile {
			deliver(t, again, name, fmt.Sprint(i))
		}
		for i, name := range hostile {
			got := listed(t, s, name)
			if len(got) != 1 {
				t.Fatalf("%s: %q has %d messages", layout, name, len(got))
			}
			for key := range got {
				if body := wireOf(t, s, name, key); body != fmt.Sprint(i) {
					t.Errorf("%s: %q has the message of %q", layout, name, body)
				}
			}
		}
	}
}

func TestCollidingNamesDifferOnEveryDisk(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "Foo", "foo", "FOO", "é", "e\u0301", "É")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, entry := range entries {
		if other, there := seen[fold(entry.Name())]; there {
			t.Errorf("%q and %q are one on some disks", entry.Name(), other)
		}
		seen[fold(entry.Name())] = entry.Name()
	}
	if _, err := os.Stat(dir + "/Foo/cur"); err != nil {
		t.Error(err)
	}
}

func TestRandomNamesNeverShareAFolder(t *testing.T) {
	parts := []string{"a", "A", "b", ".", "%", "~", "%~", "2F", "25", "41", "x", "é", "e\u0301", "\x00", "\xff", "\u202e", "cur", "new", "/", "/", "INBOX", " ", "\n", strings.Repeat("w", 200)}
	for _, layout := range []Layout{FS, MaildirPP} {
		rapid.Check(t, func(rt *rapid.T) {
			dir, err := os.MkdirTemp(t.TempDir(), "")
			if err != nil {
				rt.Fatal(err)
			}
			s, err := Open(Options{Dir: dir, Layout: layout})
			if err != nil {
				rt.Fatal(err)
			}
			defer s.Close()
			want := map[mailbox.Name]bool{}
			for range rapid.IntRange(1, 8).Draw(rt, "names") {
				name := mailbox.Name(strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 6).Draw(rt, "name"), ""))
				if want[canonical(name)] {
					continue
				}
				if err := s.Create(context.Background(), name); err != nil {
					rt.Fatalf("create %q: %v", name, err)
				}
				want[canonical(name)] = true
			}
			names, err := s.Folders(context.Background())
			if err != nil || len(names) != len(want) {
				rt.Fatalf("%q for %v: %v", names, want, err)
			}
			paths := map[path]bool{}
			for _, name := range names {
				p, err := s.locate(name)
				if err != nil || !want[name] || paths[p] || !filepath.IsLocal(p.orDot()) || p != s.paths[name] {
					rt.Fatalf("%q is at %q, walked %q: %v", name, p, s.paths[name], err)
				}
				paths[p] = true
			}
		})
	}
}

func FuzzDecodeTakesAnyFolderName(f *testing.F) {
	for _, seed := range []string{"a", "%~", "%41", "%%34%31", ".a..b", "%2", "%2F%25%xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, disk string) {
		for _, layout := range []Layout{FS, MaildirPP} {
			n := naming{layout: layout}
			if strings.Contains(disk, "/") {
				continue
			}
			name := canonical(mailbox.Name(n.decode(disk)))
			if canonical(name) != name {
				t.Fatalf("%q: %q is not canonical", disk, name)
			}
			for i, step := range n.steps(name) {
				for v := plain; v < variants; v++ {
					encoded, short := n.encode(step, i == 0, v)
					if len(encoded) > maxLevel || encoded == "" || encoded == "." || encoded == ".." || strings.ContainsAny(encoded, "/\x00") {
						t.Fatalf("%q is written %q", step, encoded)
					}
					if !short && n.decode(encoded) != step {
						t.Fatalf("%q is written %q and read %q", step, encoded, n.decode(encoded))
					}
				}
			}
		}
	})
}

// Two names that are not one lie in two folders, within the store, whatever
// they are.
func FuzzNamesOfFoldersDiffer(f *testing.F) {
	for _, pair := range [][2]string{
		{"a", "b"}, {"a/b", "a%2Fb"}, {".", ".."}, {"cur", "%63ur"}, {"", "%~"}, {"a.b", "a/b"}, {"%x41", "A"}, {".mailferry", "%2Email"},
		{"INBOX", "inbox"}, {"\u202ea", "%E2%80%AEa"}, {strings.Repeat("x", 300), strings.Repeat("x", 299) + "y"}, {"a\x00", "a%00"}, {"mailferry-name", "x"},
		{"\xff", "%xff"}, {"a/", "a"}, {"//", "/"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, b := canonical(mailbox.Name(one)), canonical(mailbox.Name(other))
		if a == b {
			return
		}
		for _, n := range []naming{{layout: FS}, {layout: MaildirPP}, {layout: FS, windows: true}} {
			pathA, pathB := n.plainPath(a), n.plainPath(b)
			if pathA == pathB {
				t.Errorf("%v: %q and %q are both %q", n, a, b, pathA)
			}
			if !filepath.IsLocal(pathA) && pathA != "" {
				t.Errorf("%v: %q is at %q", n, a, pathA)
			}
			first, _, _ := strings.Cut(pathA, "/")
			if strings.EqualFold(first, n.control()) {
				t.Errorf("%v: %q is in the control folder: %q", n, a, pathA)
			}
		}
	})
}

// plainPath is where a folder lies as long as no sibling collides.
func (n naming) plainPath(name mailbox.Name) string {
	var parts []string
	for i, step := range n.steps(name) {
		disk, _ := n.encode(step, i == 0, plain)
		parts = append(parts, disk)
	}
	return strings.Join(parts, "/")
}
