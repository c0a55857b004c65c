package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"

	"mailferry/cmd/internal/config"
)

// checkFileMode warns of a file whose mode has bits that it should not have. It
// reports whether all is well.
func (d *diagnosis) checkFileMode(check, path string, unwanted os.FileMode, why string) (isFine bool) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&unwanted == 0 {
		return true
	}
	d.warn(check, exitUsage, "chmod 600 "+quoted(path), "%s has mode %04o: %s", path, info.Mode().Perm(), why)
	return false
}

// checkCommands looks whether the commands of the configuration are there.
func (c *checkup) checkCommands() {
	for _, command := range []struct {
		key  string
		argv []string
	}{
		{"password_command", c.account.PasswordCommand},
		{"token_command", c.account.TokenCommand},
		{"tunnel", c.account.Tunnel},
		{"hooks.pre_sync", c.account.Hooks.PreSync},
		{"hooks.post_sync", c.account.Hooks.PostSync},
	} {
		if len(command.argv) == 0 {
			continue
		}
		if _, err := exec.LookPath(command.argv[0]); err != nil {
			c.bad("configuration", exitUsage, "install "+command.argv[0]+", or correct "+command.key, "%s: %v", command.key, err)
		}
	}
}

// checkPassword says where the password comes from, without showing it. It
// returns what the login asks in its place, so that nothing is asked for twice;
// nil is the ordinary way.
func (c *checkup) checkPassword(ctx context.Context) func(context.Context) (string, error) {
	const check = "password"
	switch {
	case c.account.Auth == "external":
		c.ok(check, "none: auth = \"external\"")
		return nil
	case c.account.UsesToken():
		c.checkSignIn(ctx)
		return nil
	}
	secrets := c.app.secrets(c.account)
	password, origin, err := secrets.Origin(ctx)
	switch {
	case err == nil:
		c.ok(check, "from %s", origin)
		return func(context.Context) (string, error) { return password, nil }
	case errors.Is(err, config.ErrNoPassword) && len(c.account.Tunnel) > 0:
		c.note(check, "none; a tunnel may need none")
		return nil
	case errors.Is(err, config.ErrNoPassword) && c.app.canAsk():
		c.note(check, "it is asked for on the terminal; runs by themselves need password_command, password_file or the keyring")
		return nil
	case errors.Is(err, config.ErrNoPassword):
		c.bad(check, exitAuth, secrets.PasswordHint(), "there is none")
	default:
		fix := cmp.Or(hintFor(err, ""), "run it by hand to see what is wrong with it")
		c.bad(check, exitCode(err), fix, "%v", err)
	}
	return func(context.Context) (string, error) { return "", errKnown }
}

// checkSignIn says where the OAuth2 token is, and until when the sign-in is good.
func (c *checkup) checkSignIn(ctx context.Context) {
	const check = "sign-in"
	s := c.app.loginState(ctx, c.account)
	switch {
	case s.exitCode() != exitDone:
		c.bad(check, s.exitCode(), s.Next, "%s", s.text())
	case s.State == loginSoon:
		c.warn(check, exitAuth, s.Next, "%s", s.text())
	default:
		c.ok(check, "OAuth2, from %s", cmp.Or(s.StoredIn, s.Method))
	}
}

// errKnown stands for a trouble that was told already.
var errKnown = errors.New("not tried")
