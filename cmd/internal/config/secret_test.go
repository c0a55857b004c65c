package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everySource has a password in each source, each its own.
func everySource(t *testing.T) (Secrets, map[string]string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "home.password"), "from-credentials\n", 0o644)
	write(t, filepath.Join(dir, "file"), "from-file\r\nsecond line\n", 0o600)
	variables := map[string]string{
		"CREDENTIALS_DIRECTORY": dir, "MAILFERRY_PASSWORD_HOME": "from-own-variable", "MAILFERRY_PASSWORD": "from-variable",
	}
	return Secrets{
		Account: Account{Name: "home", PasswordCommand: []string{"printf", "from-command\nsecond line\n"}, PasswordFile: filepath.Join(dir, "file")},
		Env:     func(name string) string { return variables[name] },
		Keyring: func(_ context.Context, user string) (string, error) {
			if user != "home" {
				return "", errors.New("not found")
			}
			return "from-keyring", nil
		},
		Prompt: func(context.Context, string) (string, error) { return "from-prompt", nil },
	}, variables
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestPasswordSourcesAreAskedInOrder(t *testing.T) {
	secrets, variables := everySource(t)
	steps := []struct {
		want   string
		remove func()
	}{
		{"from-credentials", func() { delete(variables, "CREDENTIALS_DIRECTORY") }},
		{"from-command", func() { secrets.Account.PasswordCommand = nil }},
		{"from-keyring", func() {
			secrets.Keyring = func(context.Context, string) (string, error) { return "", errors.New("locked") }
		}},
		{"from-file", func() { secrets.Account.PasswordFile = "" }},
		{"from-own-variable", func() { delete(variables, "MAILFERRY_PASSWORD_HOME") }},
		{"from-variable", func() { delete(variables, "MAILFERRY_PASSWORD") }},
		{"from-prompt", func() { secrets.Prompt = nil }},
	}
	for _, step := range steps {
		if got, err := secrets.Password(t.Context()); err != nil || got != step.want {
			t.Errorf("Password = %q, %v; want %q", got, err, step.want)
		}
		step.remove()
	}
	if _, err := secrets.Password(t.Context()); !errors.Is(err, ErrNoPassword) {
		t.Errorf("without any source: %v", err)
	}
}

func TestPasswordFileThatOthersCanReadIsRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644, 0o601} {
		path := filepath.Join(t.TempDir(), "file")
		write(t, path, "s3cret", mode)
		secrets := Secrets{Account: Account{Name: "home", PasswordFile: path}, Env: environment("MAILFERRY_PASSWORD=other")}
		password, err := secrets.Password(t.Context())
		var detailed *Error
		if !errors.As(err, &detailed) || password != "" || detailed.Hint != "chmod 600 "+path {
			t.Errorf("mode %o: %q, %v", mode, password, err)
		}
	}
}

func TestFailingPasswordCommandTellsWhatItSaidAndNoArguments(t *testing.T) {
	secrets := Secrets{
		Account: Account{Name: "home", PasswordCommand: []string{"sh", "-c", "echo half-a-secret; echo gpg: no key >&2; exit 3 # argument"}},
		Env:     environment("MAILFERRY_PASSWORD=other"),
	}
	password, err := secrets.Password(t.Context())
	if err == nil || password != "" || !strings.Contains(err.Error(), "gpg: no key") || strings.Contains(err.Error(), "half") ||
		strings.Contains(err.Error(), "argument") {
		t.Errorf("Password = %q, %v", password, err)
	}
	secrets.Account.PasswordCommand = []string{"true"}
	if _, err := secrets.Password(t.Context()); err == nil {
		t.Error("a command that prints nothing is no password")
	}
}

func TestPasswordVariableNames(t *testing.T) {
	for name, want := range map[string]string{"home": "HOME", "me@example.com": "ME_EXAMPLE_COM", "a-b_c": "A_B_C", "ü": "_"} {
		if got := PasswordVariable(name); got != "MAILFERRY_PASSWORD_"+want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestCredentialsNeverLeaveTheirFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x.password"), "outside", 0o600)
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	secrets := Secrets{Account: Account{Name: "../x"}, Env: environment("CREDENTIALS_DIRECTORY=" + inner)}
	if password, err := secrets.Password(t.Context()); password != "" || !errors.Is(err, ErrNoPassword) {
		t.Errorf("Password = %q, %v", password, err)
	}
}
