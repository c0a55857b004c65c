package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/discover"
	"mailferry/cmd/internal/vault"
)

// keeper says where an account's secret is kept.
type keeper string

// The keepers.
const (
	inKeyring     keeper = "keyring"
	inFile        keeper = "password_file"
	byCommand     keeper = "password_command"
	byToken       keeper = "token_command"
	byOAuth       keeper = "oauth"
	inEnvironment keeper = "environment" // or systemd's credentials
	byPrompt      keeper = "prompt"
	byNothing     keeper = "none" // auth = "external"
)

// secret is where the password is kept, and, where it was typed, what it is.
type secret struct {
	keeper  keeper
	typed   string
	path    string   // of the file
	command []string // that prints it
	// isThere says that the file or the keyring has it already.
	isThere bool
}

func (s *setup) secrets() config.Secrets { return s.app.secrets(config.Account{Name: s.name}) }

// flagsHaveSecret reports whether the flags say where the secret is.
func (s *setup) flagsHaveSecret() bool {
	f := s.flags
	return f.passwordCommand+f.passwordFile+f.tokenCommand != "" || f.auth == "external" || f.auth == "xoauth2" || f.auth == "oauthbearer"
}

// secretFromFlags takes what the flags say.
func (s *setup) secretFromFlags() (err error) {
	f := s.flags
	switch {
	case f.passwordCommand != "":
		s.secret.keeper = byCommand
		s.secret.command, err = splitWords(f.passwordCommand)
	case f.tokenCommand != "":
		s.secret.keeper = byToken
		s.secret.command, err = splitWords(f.tokenCommand)
	case f.passwordFile != "":
		s.secret.keeper, s.secret.path, s.secret.isThere = inFile, absolute(f.passwordFile), true
	case f.auth == "external":
		s.secret.keeper = byNothing
	default:
		s.secret.keeper = byOAuth
	}
	if err != nil {
		return usagef("the command: %w", err)
	}
	return nil
}

// chooseSecret finds out where the password is, or is to be kept.
func (s *setup) chooseSecret(ctx context.Context) error {
	if s.flagsHaveSecret() {
		return s.secretFromFlags()
	}
	if s.ask == nil {
		if s.login == discover.OAuth {
			s.secret.keeper = byOAuth // a password is of no use
			return nil
		}
		_, origin, err := s.secrets().Origin(ctx)
		switch {
		case errors.Is(err, config.ErrNoPassword):
			return missingError(secretMissing)
		case err != nil:
			return err
		}
		s.secret.keeper, s.secret.isThere = inEnvironment, true
		if origin == config.OriginKeyring {
			s.secret.keeper = inKeyring
		}
		return nil
	}
	return s.askSecret(ctx)
}

// way is one of the ways to keep a secret that are offered.
type way struct {
	keeper keeper
	text   string
}

func (s *setup) ways() []way {
	ways := []way{
		{inFile, "from a file that only you can read: type it now, once"},
		{byCommand, "from a command that prints it, such as: pass show mail/" + s.name},
		{byPrompt, "from me, every time (it cannot run by itself then)"},
	}
	if vault.Desktop(s.app.env) != nil {
		ways = slices.Insert(ways, 0, way{inKeyring, "from this computer's keyring: type it now, once"})
	}
	oauth := []way{
		{byOAuth, "OAuth2 with mailferry auth login: you agree in the browser, with a client ID of your own"},
		{byToken, "OAuth2 with a command that prints a token, such as oama or pizauth"},
	}
	switch {
	case s.login == discover.OAuth:
		return oauth
	case s.provider.HasOAuth:
		return append(ways, oauth...)
	}
	return ways
}

func (s *setup) askSecret(ctx context.Context) error {
	if s.login == discover.OAuth {
		s.ask.tell("%s takes OAuth2 only; a password is of no use there.", cmp.Or(s.provider.Name, "This server"))
	}
	ways := s.ways()
	lines := make([]string, len(ways))
	for i, way := range ways {
		lines[i] = way.text
	}
	i, err := s.ask.choose(ctx, "Where shall mailferry get the "+s.secretWord()+" from?", lines, 1)
	if err != nil {
		return err
	}
	s.secret = secret{keeper: ways[i-1].keeper}
	switch s.secret.keeper {
	case byCommand, byToken:
		return s.ask.until(ctx, "The command", "", func(text string) (err error) {
			s.secret.command, err = splitWords(text)
			return err
		})
	case inFile:
		s.secret.path = absolute(filepath.Join(filepath.Dir(s.path), s.name+".password"))
		return s.askPassword(ctx)
	case inKeyring, byPrompt:
		return s.askPassword(ctx)
	}
	return nil
}

func (s *setup) secretWord() string {
	switch s.login {
	case discover.AppPassword:
		return "app password"
	case discover.OAuth:
		return "token"
	}
	return "password"
}

func (s *setup) askPassword(ctx context.Context) (err error) {
	for s.secret.typed == "" {
		word := s.secretWord()
		question := fmt.Sprintf("%s for %s at %s (it is not shown): ", strings.ToUpper(word[:1])+word[1:], s.server.User, s.server.Host)
		if s.secret.typed, err = s.app.askPassword(ctx, question); err != nil {
			return err
		}
	}
	if s.login == discover.AppPassword {
		// Providers show them in groups; the spaces do not belong to them.
		s.secret.typed = strings.Join(strings.Fields(s.secret.typed), "")
	}
	return nil
}

// absolute makes a path one that means the same wherever the program is started;
// ~ does so already.
func absolute(path string) string {
	if strings.HasPrefix(path, "~") {
		return path
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// keepSecret puts a password that was typed where later runs find it.
func (s *setup) keepSecret(ctx context.Context) error {
	if s.secret.typed == "" || s.secret.isThere {
		return nil
	}
	switch s.secret.keeper {
	case inKeyring:
		return vault.Desktop(s.app.env).Set(ctx, s.name, s.secret.typed)
	case inFile:
		// What is left of an account that was there before may be open to others.
		if err := os.Chmod(s.secret.path, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return config.WritePrivate(s.secret.path, []byte(s.secret.typed+"\n"))
	}
	return nil
}
