package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"mailferry/cmd/internal/config"
	"mailferry/syncer/mailbox"
)

// tryLogin logs in with the account as it would be configured, by the engine's
// own way, and looks how much mail there is. Nothing is changed there.
func (s *setup) tryLogin(ctx context.Context) error {
	if s.flags.noCheck || s.secret.keeper == byOAuth {
		return s.checkConfig()
	}
	for {
		err := s.logIn(ctx)
		if err == nil {
			s.tried = "ok"
			s.tellMail()
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, context.Canceled) {
			return context.Canceled
		}
		if s.ask == nil {
			return s.loginFailed(err)
		}
		again, err := s.mend(ctx, err)
		if err != nil || !again {
			return err
		}
	}
}

// checkConfig makes sure that the configuration would be understood.
func (s *setup) checkConfig() error {
	_, _, err := s.candidate()
	return err
}

func (s *setup) loginFailed(err error) error {
	hint := hintFor(err, "")
	if hint != "" {
		hint += "\n"
	}
	hint += "nothing was written; --no-check writes the configuration without trying the login"
	return hintedError{fmt.Errorf("%s: %w", s.server.Host, err), hint}
}

// logIn logs in and looks around.
func (s *setup) logIn(ctx context.Context) error {
	account, _, err := s.candidate()
	if err != nil {
		return err
	}
	account.Connections = 1
	store := account.Store
	account.Store = "" // it may be another account's, until it was chosen
	both := &sides{}
	if s.secret.typed != "" {
		both.password = func(context.Context) (string, error) { return s.secret.typed, nil }
	}
	if err := both.openRemote(ctx, s.app, account, true); err != nil {
		return err
	}
	defer both.Close()
	account.Store = store
	if both.imap == nil {
		return nil
	}
	mailboxes, err := both.imap.List(ctx)
	if err != nil {
		return err
	}
	s.messages = 0
	for _, m := range mailboxes {
		if m.Status != nil {
			s.messages += int(m.Status.Messages)
		}
	}
	s.room, err = both.imap.Room(ctx)
	return err
}

func (s *setup) tellMail() {
	if s.ask == nil {
		return
	}
	text := "The login worked."
	if s.server.Protocol != pop3 {
		text += fmt.Sprintf(" There are %s messages.", humanize.Comma(int64(s.messages)))
	}
	if s.room.Limit > 0 {
		text += fmt.Sprintf(" The account is full to %d %%: %s of %s.", s.fullness(), humanize.IBytes(uint64(s.room.Used)), humanize.IBytes(uint64(s.room.Limit)))
	}
	s.ask.tell("%s", text)
}

// fullness is the share of the quota in percent, 0 where it is not known.
func (s *setup) fullness() int64 {
	if s.room.Limit <= 0 {
		return 0
	}
	return 100 * s.room.Used / s.room.Limit
}

// mend tells what went wrong and asks what to do about it. again says to try
// once more; otherwise it goes on without.
func (s *setup) mend(ctx context.Context, reason error) (again bool, err error) {
	s.ask.tell("That did not work: %v", reason)
	if errors.Is(reason, mailbox.ErrTLS) {
		if done, err := s.offerPin(ctx); done || err != nil {
			return done, err
		}
	}
	i, err := s.ask.choose(ctx, "What now?", []string{
		"try again, with another user name or password", "another server", "go on, and write the configuration all the same", "stop; nothing is written",
	}, 1)
	switch {
	case err != nil:
		return false, err
	case i == 1:
		if s.server.User, err = s.ask.line(ctx, "Your user name there", s.server.User); err != nil {
			return false, err
		}
		if s.flagsHaveSecret() {
			return true, nil
		}
		return true, s.askSecret(ctx)
	case i == 2:
		address, err := s.whose(ctx)
		if err != nil {
			return false, err
		}
		return true, s.askServer(ctx, address)
	case i == 3:
		s.tried = "failed"
		return false, nil
	}
	return false, context.Canceled
}

// errShown ends a handshake that was only to show a certificate.
var errShown = errors.New("the certificate was shown")

// offerPin shows the certificate that was not accepted, and asks whether just
// that one shall be. The password was not sent yet.
func (s *setup) offerPin(ctx context.Context) (pinned bool, err error) {
	account, _, err := s.candidate()
	if err != nil {
		return false, err
	}
	shown := s.app.fingerprint(ctx, account)
	if shown == "" || shown == s.pin {
		return false, nil
	}
	s.ask.tell("The server's certificate has the SHA-256 %s", shown)
	s.ask.tell("Trust it only if that is the one that your own server, or Proton Bridge, shows. For any other server, say no: somebody may listen in.")
	pinned, err = s.ask.yes(ctx, "Trust this one certificate from now on (tls_pin)?", false)
	if pinned {
		s.pin = shown
	}
	return pinned, err
}

// fingerprint is the SHA-256 of the certificate that an account's server shows,
// "" if it shows none.
func (a *app) fingerprint(ctx context.Context, account config.Account) (shown string) {
	dialer, err := a.dialer(ctx, account)
	if err != nil || account.Server.Protocol == pop3 {
		return ""
	}
	dialer.TLS.InsecureSkipVerify = true // nothing is sent: the handshake ends here
	dialer.TLS.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) > 0 {
			sum := sha256.Sum256(state.PeerCertificates[0].Raw)
			shown = hex.EncodeToString(sum[:])
		}
		return errShown
	}
	if conn, err := dialer.Dial(ctx); err == nil {
		conn.Close()
	}
	return shown
}

// candidate is the account as later runs will find it in the configuration.
func (s *setup) candidate() (config.Account, *config.Extended, error) {
	extended, err := config.Extend(s.path, s.name, s.tables(), s.app.env)
	if errors.Is(err, config.ErrExists) {
		return config.Account{}, nil, s.exists(s.name)
	}
	if err != nil {
		return config.Account{}, nil, err
	}
	account, _ := extended.Account(s.name)
	return account, extended, nil
}
