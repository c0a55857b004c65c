package config

import (
	"errors"
	"strings"
)

// variableName is MAILFERRY_ and a key's name in capitals.
func variableName(key string) string { return "MAILFERRY_" + strings.ToUpper(key) }

// PasswordVariable is the variable with an account's password: capitals, and
// an underscore for all that is neither letter nor digit.
func PasswordVariable(account string) string {
	return "MAILFERRY_PASSWORD_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z' || '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, account)
}

// overlayEnvironment lets MAILFERRY_<KEY> override the file. Errors are of
// type *Error.
func overlayEnvironment(account *Account, env func(string) string) error {
	for _, k := range accountKeys {
		name := variableName(k.name)
		text := env(name)
		// For an account named "file" MAILFERRY_PASSWORD_FILE is its password.
		if text == "" || k.own || name == PasswordVariable(account.Name) {
			continue
		}
		err := k.set(account, k.fromEnvironment(text))
		var detailed *Error
		switch {
		case errors.As(err, &detailed):
			return &Error{Where: name, Message: detailed.Message, Hint: detailed.Hint}
		case err != nil:
			return &Error{Where: name, Message: err.Error(), Hint: "allowed: " + k.allowed}
		}
	}
	account.expandHome(env)
	return nil
}

// expandHome replaces ~ in the files that an account names.
func (a *Account) expandHome(env func(string) string) {
	for _, path := range []*string{&a.PasswordFile, &a.TLSCAFile, &a.MetricsFile, &a.OAuth.SecretFile} {
		*path = ExpandHome(*path, env)
	}
}
