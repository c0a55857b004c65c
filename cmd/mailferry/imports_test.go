package main_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// rooms says which other rooms a room may import. Tests of a room may use
// syncer's vocabulary and its suites besides: testsMayImport.
var rooms = map[string][]string{
	"syncer/mailbox":         nil,
	"syncer/plan":            {"syncer/mailbox"},
	"syncer":                 {"syncer/mailbox", "syncer/plan"},
	"syncer/imapremote":      {"syncer/mailbox", "syncer/imapremote/wire"},
	"syncer/imapremote/wire": {"syncer/mailbox"},
	"syncer/pop3remote":      {"syncer/mailbox", "syncer/imapremote/wire"},
	"syncer/restore":         {"syncer/mailbox"},
	"syncer/merge":           {"syncer/mailbox", "syncer/plan", "syncer"},
	"syncer/verify":          {"syncer/mailbox"},
	"syncer/export":          {"syncer/mailbox"},
	"syncer/watch":           nil,
	"syncer/former":          {"syncer/mailbox"},
	"syncer/synctest":        {"syncer/mailbox", "syncer/plan", "syncer"},
	"maildirout":             {"syncer/mailbox"},
	"state":                  {"syncer/mailbox"},
	"cmd/internal/config":    {"syncer/mailbox", "cmd/internal/monitor"},
	"cmd/internal/discover":  {"cmd/internal/config"},
	"cmd/internal/monitor":   nil,
	"cmd/internal/schedule":  nil,
	"cmd/internal/oauth":     {"syncer/mailbox", "cmd/internal/vault"},
	"cmd/internal/vault":     nil,
	"cmd/internal/ui":        {"syncer/mailbox", "syncer/plan", "syncer", "syncer/verify", "syncer/merge"},
	"cmd/mailferry": {
		"syncer/mailbox", "syncer/plan", "syncer", "syncer/watch", "syncer/imapremote", "syncer/imapremote/wire",
		"syncer/former",
		"syncer/pop3remote", "syncer/merge", "syncer/restore", "syncer/verify", "syncer/export",
		"maildirout", "state", "cmd/internal/config", "cmd/internal/discover", "cmd/internal/monitor", "cmd/internal/ui",
		"cmd/internal/schedule", "cmd/internal/oauth", "cmd/internal/vault",
	},
}

// testsMayImport is open to tests everywhere: a suite runs on every
// implementation, and a run of everything together is tested from syncer.
var testsMayImport = []string{"syncer/mailbox", "syncer/plan", "syncer", "syncer/synctest", "maildirout", "state", "syncer/imapremote", "syncer/imapremote/wire", "syncer/pop3remote"}

// homes says which files may import a dependency: patterns of path.Match over
// the file's path or, without a slash, over its name.
var homes = map[string][]string{
	"github.com/spf13/cobra":                    {"cmd/mailferry/*"},
	"github.com/spf13/pflag":                    {"cmd/mailferry/*"},
	"github.com/schollz/progressbar":            {"cmd/internal/ui/*"},
	"github.com/emersion/go-imap":               {"syncer/imapremote/*", "*_test.go", "syncer/synctest/*", "cmd/mailferry/demo*.go"},
	"github.com/emersion/go-imap/v2/imapserver": {"*_test.go", "syncer/synctest/*", "cmd/mailferry/demo*.go"},
	"github.com/emersion/go-maildir":            {"maildirout/*"},
	"github.com/emersion/go-mbox":               {"syncer/merge/*"},
	"github.com/fsnotify/fsnotify":              {"maildirout/*"},
	"github.com/knadh/go-pop3":                  {"syncer/pop3remote/*"},
	"modernc.org/sqlite":                        {"state/*"},
	"github.com/zalando/go-keyring":             {"cmd/internal/vault/*", "*_test.go"},
	"golang.org/x/oauth2":                       {"cmd/internal/oauth/*"},
	"github.com/BurntSushi/toml":                {"cmd/internal/config/*"},
	"github.com/creack/pty":                     {"*_test.go"},
	"pgregory.net/rapid":                        {"*_test.go", "syncer/synctest/*"},
	"github.com/rogpeppe/go-internal":           {"*_test.go"},
}

// violations lists every import that breaks a rule, in order.
func violations(tree fs.FS) ([]string, error) {
	var found []string
	err := fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && file != "." && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := fs.ReadFile(tree, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if _, known := rooms[path.Dir(file)]; !known {
			found = append(found, fmt.Sprintf("%s: is in no room of the design", file))
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !mayImport(file, imported) {
				found = append(found, fmt.Sprintf("%s: imports %s", file, imported))
			}
		}
		return nil
	})
	return found, err
}

func mayImport(file, imported string) bool {
	room := path.Dir(file)
	isTest := strings.HasSuffix(file, "_test.go")
	if other, inside := strings.CutPrefix(imported, "mailferry/"); inside {
		return other == room && isTest || slices.Contains(rooms[room], other) ||
			isTest && slices.Contains(testsMayImport, other)
	}
	allowed, longest := []string(nil), ""
	for dependency, at := range homes {
		if (imported == dependency || strings.HasPrefix(imported, dependency+"/")) && len(dependency) > len(longest) {
			allowed, longest = at, dependency
		}
	}
	if longest == "" {
		return true
	}
	return slices.ContainsFunc(allowed, func(home string) bool {
		subject := file
		if !strings.Contains(home, "/") {
			subject = path.Base(file)
		}
		matches, err := path.Match(home, subject)
		return err == nil && matches
	})
}

// The names that may stand at the top; dotfiles may too.
var topLevel = []string{
	"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "go.mod", "go.sum",
	"cmd", "maildirout", "state", "syncer", "testdata",
}

// strangers lists the top-level names that are not the owner's; what
// .gitignore names there does not count.
func strangers(tree fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		return nil, err
	}
	ignored, err := fs.ReadFile(tree, ".gitignore")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(ignored), "\n")
	var found []string
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) ||
			slices.Contains(lines, "/"+name) || slices.Contains(lines, "/"+name+"/") {
			continue
		}
		found = append(found, name)
	}
	return found, nil
}

// sources is the module's root.
func sources(t *testing.T) fs.FS {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return os.DirFS(dir)
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	found, err := violations(sources(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

func TestTopLevelNamesAreTheOwners(t *testing.T) {
	found, err := strangers(sources(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		t.Errorf("%s is no top-level name of the design", name)
	}
}

func TestAnImportTheWrongWayIsFound(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		fine           bool
	}{
		{"syncer/run.go", "mailferry/syncer/plan", true},
		{"syncer/plan/make.go", "mailferry/syncer", false},
		{"syncer/mailbox/uid.go", "mailferry/syncer/plan", false},
		{"state/links.go", "mailferry/syncer/mailbox", true},
		{"state/links.go", "mailferry/syncer", false},
		{"state/links_test.go", "mailferry/syncer/synctest", true},
		{"state/links.go", "mailferry/syncer/synctest", false},
		{"maildirout/list.go", "mailferry/state", false},
		{"syncer/imapremote/fetch.go", "mailferry/syncer/imapremote/wire", true},
		{"syncer/imapremote/wire/fetch.go", "mailferry/syncer/imapremote", false},
		{"cmd/internal/ui/text.go", "mailferry/cmd/internal/config", false},
		{"cmd/mailferry/sync.go", "mailferry/syncer/synctest", false},
		{"cmd/mailferry/root.go", "github.com/spf13/cobra", true},
		{"cmd/internal/ui/text.go", "github.com/spf13/cobra/doc", false},
		{"cmd/mailferry/sync.go", "github.com/schollz/progressbar/v3", false},
		{"syncer/imapremote/session.go", "github.com/emersion/go-imap/v2/imapclient", true},
		{"syncer/imapremote/wire/conn.go", "github.com/emersion/go-imap/v2", false},
		{"syncer/imapremote/session.go", "github.com/emersion/go-imap/v2/imapserver", false},
		{"syncer/imapremote/session_test.go", "github.com/emersion/go-imap/v2/imapserver/imapmemserver", true},
		{"cmd/mailferry/demo_server.go", "github.com/emersion/go-imap/v2/imapserver", true},
		{"cmd/mailferry/sync.go", "github.com/emersion/go-imap/v2", false},
		{"syncer/run.go", "modernc.org/sqlite", false},
		{"state/database.go", "modernc.org/sqlite/lib", true},
		{"syncer/run.go", "github.com/emersion/go-maildir", false},
		{"syncer/utils/strings.go", "strings", false},
		{"syncer/run.go", "strings", true},
	} {
		tree := fstest.MapFS{c.file: {Data: fmt.Appendf(nil, "package x\n\nimport _ %q\n", c.imported)}}
		found, err := violations(tree)
		if err != nil {
			t.Fatal(err)
		}
		if (len(found) == 0) != c.fine {
			t.Errorf("%s importing %s: %q", c.file, c.imported, found)
		}
	}
}

func TestAStrangerAtTheTopIsFound(t *testing.T) {
	tree := fstest.MapFS{
		".gitignore": {Data: []byte("/dist/\n/mailferry\n")}, ".ci/run": {}, "README.md": {}, "cmd/x.go": {},
		"dist/x": {}, "mailferry": {}, "docs/x.md": {}, "pkg/x.go": {},
	}
	found, err := strangers(tree)
	if err != nil || !slices.Equal(found, []string{"docs", "pkg"}) {
		t.Errorf("%q, %v", found, err)
	}
}
