package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ErrNoPassword says that no source had a password.
var ErrNoPassword = errors.New("no password")

// maxSecret bounds what is read as a password or token.
const maxSecret = 64 << 10

// Secrets finds an account's password. Nothing that it returns is ever part of
// an error or a log record.
type Secrets struct {
	Account Account
	// Role names a second variable, MAILFERRY_PASSWORD_<Role>, for an account
	// that a command line calls by its part in it, such as "TO"; "": none.
	Role string
	Env  func(string) string
	// Prompt asks the user; nil where nobody is there to ask.
	Prompt func(ctx context.Context, question string) (string, error)
	// Keyring looks a password up by the account's name; nil: there is none.
	Keyring func(ctx context.Context, user string) (string, error)
}

// Password asks the sources in the order of `mailferry help configuration`.
// A source that is set up and fails is an error; the next is not tried, for it
// might hold an outdated password, and servers lock accounts for those. It
// returns ErrNoPassword when there is no source.
func (s Secrets) Password(ctx context.Context) (string, error) {
	password, _, err := s.find(ctx)
	return password, err
}

// find is Password that also says where the password is from.
func (s Secrets) find(ctx context.Context) (password, origin string, err error) {
	for _, source := range []struct {
		get    func(context.Context) (string, error)
		origin string
	}{
		{s.fromCredentials, "the service manager's credentials ($CREDENTIALS_DIRECTORY)"},
		{s.fromList, "the list of accounts"},
		{s.fromCommand, "password_command"},
		{s.fromKeyring, OriginKeyring},
		{s.fromFile, "password_file " + s.Account.PasswordFile},
		{s.fromEnvironment, "the environment (" + PasswordVariable(s.Account.Name) + " or MAILFERRY_PASSWORD)"},
		{s.fromPrompt, "the terminal"},
	} {
		if password, err := source.get(ctx); password != "" || err != nil {
			return password, source.origin, err
		}
	}
	return "", "", ErrNoPassword
}

// PasswordSource names the source that Password will ask, "" for nobody, and
// whether a password is known to be there: commands are not run.
func (s Secrets) PasswordSource(ctx context.Context) (source string, isThere bool) {
	has := func(ask func(context.Context) (string, error)) bool {
		password, err := ask(ctx)
		return err == nil && password != ""
	}
	switch {
	case has(s.fromCredentials):
		return "credentials", true
	case len(s.Account.PasswordCommand) > 0:
		return "password_command", false
	case has(s.fromKeyring):
		return "keyring", true
	case s.Account.PasswordFile != "":
		return "password_file", has(s.fromFile)
	case has(s.fromEnvironment):
		return "environment", true
	}
	return "", false
}

// PasswordHint lists the ways to give the account a password.
func (s Secrets) PasswordHint() string {
	variables := PasswordVariable(s.Account.Name)
	if s.Role != "" {
		variables += ", " + PasswordVariable(s.Role)
	}
	return fmt.Sprintf("give a password by password_command or password_file in the configuration, in the keyring "+
		"(mailferry auth login %s), in the variable %s or MAILFERRY_PASSWORD, or run this on a terminal to be asked",
		s.Account.Name, variables)
}

// Token runs token_command for an OAuth2 access token.
func (s Secrets) Token(ctx context.Context) (string, error) {
	if len(s.Account.TokenCommand) == 0 {
		return "", fmt.Errorf("no token_command: %w", ErrNoPassword)
	}
	return runForSecret(ctx, "token_command", s.Account.TokenCommand)
}

func (s Secrets) fromCredentials(context.Context) (string, error) {
	dir := s.Env("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", nil
	}
	// The service manager has taken care of who can read the folder.
	password, err := readSecretFile(filepath.Join(dir, filepath.Base(s.Account.Name)+".password"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return password, err
}

func (s Secrets) fromList(context.Context) (string, error) {
	if s.Account.password == nil {
		return "", nil
	}
	return s.Account.password(), nil
}

func (s Secrets) fromCommand(ctx context.Context) (string, error) {
	if len(s.Account.PasswordCommand) == 0 {
		return "", nil
	}
	return runForSecret(ctx, "password_command", s.Account.PasswordCommand)
}

// fromKeyring never fails: a machine without a keyring, or with one that is
// locked, has other sources.
func (s Secrets) fromKeyring(ctx context.Context) (string, error) {
	if s.Keyring == nil {
		return "", nil
	}
	password, err := s.Keyring(ctx, s.Account.Name)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", nil
	}
	return password, nil
}

func (s Secrets) fromFile(context.Context) (string, error) {
	if s.Account.PasswordFile == "" {
		return "", nil
	}
	password, err := readPrivateFile(s.Account.PasswordFile)
	if err != nil {
		err.Key = "password_file"
		return "", err
	}
	return password, nil
}

// ClientSecret is that of the account's OAuth2 client, "" for a client without
// one.
func (s Secrets) ClientSecret(ctx context.Context) (string, error) {
	o := s.Account.OAuth
	switch {
	case len(o.SecretCommand) > 0:
		return runForSecret(ctx, "oauth_client_secret_command", o.SecretCommand)
	case o.SecretFile == "":
		return "", nil
	}
	secret, err := readPrivateFile(o.SecretFile)
	if err != nil {
		err.Key = "oauth_client_secret_file"
		return "", err
	}
	return secret, nil
}

// readPrivateFile reads the first line of a file that nobody else can read.
func readPrivateFile(path string) (string, *Error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", &Error{Message: err.Error(), Hint: "make it, with the secret on its first line, and: chmod 600 " + path}
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", &Error{
			Message: fmt.Sprintf("%s can be read by others (mode %04o)", path, info.Mode().Perm()),
			Hint:    "chmod 600 " + path,
		}
	}
	secret, err := readSecretFile(path)
	if err == nil && secret == "" {
		err = fmt.Errorf("%s is empty", path)
	}
	if err != nil {
		return "", &Error{Message: err.Error()}
	}
	return secret, nil
}

func (s Secrets) fromEnvironment(context.Context) (string, error) {
	if password := s.Env(PasswordVariable(s.Account.Name)); password != "" {
		return password, nil
	}
	if s.Role != "" {
		if password := s.Env(PasswordVariable(s.Role)); password != "" {
			return password, nil
		}
	}
	return s.Env("MAILFERRY_PASSWORD"), nil
}

func (s Secrets) fromPrompt(ctx context.Context) (string, error) {
	if s.Prompt == nil {
		return "", nil
	}
	return s.Prompt(ctx, "Password for "+s.Account.Name+": ")
}

// readSecretFile reads a file's first line.
func readSecretFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret))
	return firstLine(data), err
}

func firstLine(data []byte) string {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r")))
}

// SecretCommandError says that password_command or token_command failed.
type SecretCommandError struct {
	// Key is the configuration's key, Program what was run.
	Key, Program string
	Err          error
	// Stderr is the end of what the command said.
	Stderr string
}

func (e *SecretCommandError) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Key, e.Program, e.Err)
	if e.Stderr != "" {
		text += ": " + e.Stderr
	}
	return text
}

// Unwrap returns Err.
func (e *SecretCommandError) Unwrap() error { return e.Err }

// runForSecret runs a command without a shell and returns the first line of
// its output. Arguments are left out of errors.
func runForSecret(ctx context.Context, key string, argv []string) (string, error) {
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &limited{&stdout}, &limited{&stderr}
	err := command.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	secret := firstLine(stdout.Bytes())
	if err == nil && secret == "" {
		err = errors.New("printed nothing")
	}
	if err != nil {
		said := strings.TrimSpace(stderr.String())
		return "", &SecretCommandError{Key: key, Program: argv[0], Err: err, Stderr: said[max(0, len(said)-500):]}
	}
	return secret, nil
}

// limited swallows what is too much: a command that talks without end must not
// take all memory.
type limited struct{ buffer *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	room := max(0, maxSecret-l.buffer.Len())
	l.buffer.Write(p[:min(room, len(p))])
	return len(p), nil
}
