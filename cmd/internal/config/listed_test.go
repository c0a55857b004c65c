package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func readAccounts(t *testing.T, text string, mode os.FileMode) (*Config, []Listed, error) {
	t.Helper()
	loaded, err := load(t, "[defaults]\nconnections = 2\n[accounts.vault]\nurl = \"imaps://me@vault\"\nstore = \"/vault\"\n")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return loaded.ReadList(path)
}

func TestAListIsReadFromCSVAndFromJSONLines(t *testing.T) {
	csv := "\xef\xbb\xbfname,url,store,mode,password_command,mailboxes,archive.older_than,to,connections\r\n" +
		"# comment\r\n" +
		"a,imaps://a@host,~/a,backup,\"[\"\"pass\"\", \"\"a b\"\"]\",,,,\r\n" +
		",imaps://b@host,/b,archive,prog,!Junk,30d,,7\r\n" +
		"c,imaps://c@host,/c,restore,,,,imaps://c@new,\r\n" +
		"d,imaps://d@host,/d,verify,,,,vault,\r\n"
	json := `{"name": "a", "url": "imaps://a@host", "store": "~/a", "mode": "backup", "password_command": ["pass", "a b"], "to": null}
{"url": "imaps://b@host", "store": "/b", "mode": "archive", "password_command": ["prog"], "mailboxes": ["!Junk"], "archive.older_than": "30d", "connections": 7}

{"name": "c", "url": "imaps://c@host", "store": "/c", "mode": "restore", "to": "imaps://c@new"}
{"name": "d", "url": "imaps://d@host", "store": "/d", "mode": "verify", "to": "vault"}
`
	for kind, text := range map[string]string{"csv": csv, "json": json} {
		config, list, err := readAccounts(t, text, 0o600)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		a, b := list[0].Account, list[1].Account
		if a.Name != "a" || a.Store != "/home/me/a" || a.Mode != ModeBackup || !slices.Equal(a.PasswordCommand, []string{"pass", "a b"}) || a.Connections != 2 {
			t.Errorf("%s: a = %+v", kind, a)
		}
		if b.Name != "b@host" || b.Mode != ModeArchive || !b.Archive.HasOlderThan || b.Connections != 7 || !slices.Equal(b.Mailboxes.Strings(), []string{"!Junk"}) {
			t.Errorf("%s: b = %+v", kind, b)
		}
		if list[2].Mode != ModeRestore || list[2].To != "c.to" || list[3].Mode != ModeVerify || list[3].To != "vault" {
			t.Errorf("%s: %+v", kind, list[2:])
		}
		to, ok := config.Account("c.to")
		if _, known := config.Account("vault"); !ok || !known || to.Server.String() != "imaps://c@new" || len(config.Accounts()) != 4 {
			t.Errorf("%s: %d accounts, to %+v", kind, len(config.Accounts()), to)
		}
	}
}

func TestAListMayHaveSemicolons(t *testing.T) {
	_, list, err := readAccounts(t, "name;url;store\na;imaps://a@host;/a,b\n", 0o600)
	if err != nil || list[0].Account.Store != "/a,b" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAListTellsEachLineThatIsWrong(t *testing.T) {
	const head = "name,url,store,mode,password,to\n"
	const fine = "a,imaps://a@host,/a,backup,,\n"
	for name, test := range map[string]struct {
		text, where, message, hint string
	}{
		"unknown column":   {"nane,url,store\n", ":1", "nane", `"name"`},
		"column twice":     {"url,url,store\n", ":1", "twice", ""},
		"no url":           {head + fine + "b,,/b,sync,,\n", ":3", "url: is missing", "imaps://"},
		"no store":         {head + "b,imaps://b@host,,sync,,\n", ":2", "store: is missing", "its own"},
		"bad url":          {head + "b,imaps://b:s3cret@host,/b,sync,,\n", ":2", "contains a password", "password_command"},
		"bad mode":         {head + "b,imaps://b@host,/b,move,,\n", ":2", `"move"`, "restore"},
		"name twice":       {head + fine + "a,imaps://b@host,/b,sync,,\n", ":3", "on line 2", "its own"},
		"store twice":      {head + fine + "b,imaps://b@host,/a,sync,,\n", ":3", "on line 2", "its own"},
		"too many cells":   {head + "b,imaps://b@host,/b,sync,,,x\n", ":2", "more cells", "quotes"},
		"open quote":       {head + fine + "b,\"imaps\n", ":3", "", "quote"},
		"no destination":   {head + "b,imaps://b@host,/b,restore,,\n", ":2", "to: is missing", "imaps://"},
		"plaintext to":     {head + "b,imaps://b@host,/b,restore,,imap+plain://b@new.example\n", ":2", "in the clear", ""},
		"readable":         {head + "b,imaps://b@host,/b,sync,s3cret,\n", ":2", "others can read", "chmod 600"},
		"empty":            {"", ":1", "has no accounts", "name,url"},
		"columns alone":    {head, ":1", "has no accounts", "name,url"},
		"not JSON":         {"{\"name\": \"a\", \"url\": \"imaps://a@h\", \"store\": \"/a\"}\n{x\n", ":2", "not one JSON object", "line"},
		"unknown JSON key": {"\n{\"nane\": \"a\", \"url\": \"imaps://a@h\", \"store\": \"/a\"}\n", ":2", "nane", `"name"`},
		"JSON of a kind":   {"{\"name\": \"a\", \"url\": 7, \"store\": \"/a\"}\n", ":1", "a number, not text", "allowed"},
	} {
		_, _, err := readAccounts(t, test.text, 0o644)
		var detailed *Error
		if !errors.As(err, &detailed) || !strings.HasSuffix(detailed.Where, test.where) || !strings.Contains(err.Error(), test.message) ||
			!strings.Contains(detailed.Hint, test.hint) || strings.Contains(err.Error()+detailed.Hint, "s3cret") {
			t.Errorf("%s: %v\n%s", name, err, HintOf(err))
		}
	}
}

func TestAPasswordInAListIsUsedAsItIsWhereNobodyElseCanReadIt(t *testing.T) {
	_, list, err := readAccounts(t, "name,url,store,password\na,imaps://a@host,/a,1_000\n", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	password, err := Secrets{Account: list[0].Account, Env: environment()}.Password(context.Background())
	if password != "1_000" || err != nil {
		t.Errorf("%q, %v", password, err)
	}
}

func FuzzReadList(f *testing.F) {
	f.Add([]byte("name,url,store\na,imaps://a@host,/a\n"))
	f.Add([]byte("{\"url\": \"imaps://a@host\", \"store\": \"/a\"}\n"))
	path := filepath.Join(f.TempDir(), "list")
	loaded, err := parse("", nil, environment())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, list, err := loaded.ReadList(path)
		if (err == nil) != (len(list) > 0) {
			t.Errorf("%d accounts, %v", len(list), err)
		}
	})
}
