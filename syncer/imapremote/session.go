package imapremote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// selection is the mailbox that a session has open.
type selection struct {
	wire     string
	writable bool
	validity mailbox.UIDValidity
}

// session is one connection, logged in, used by one caller at a time.
type session struct {
	conn   *wire.Conn
	client *imapclient.Client
	caps   capabilities
	// loginCaps tells the answer before the login from that after it.
	loginCaps imap.CapSet
	selected  selection // zero: none
	// spaces is NAMESPACE's answer on an account's first session.
	spaces *imap.NamespaceData
	// suspect: another session broke; see whether this one lives.
	suspect bool
	// dead: the control plane lost its place.
	dead bool
	// plain: the server refused compression. unsettled: it has just begun.
	// spent: a connection without it is to take this one's place.
	plain, unsettled, spent bool
	end                     func()
	ended                   sync.Once
}

func newSession(conn *wire.Conn) *session {
	return &session{conn: conn, client: imapclient.New(guard{conn}, nil), end: func() {}}
}

// abort closes the socket without a word.
func (s *session) abort() {
	s.ended.Do(func() {
		s.conn.Close()
		s.end()
	})
}

// logout says goodbye.
func (s *session) logout(ctx context.Context) {
	if !s.isBroken() {
		// The answer makes no difference any more.
		_ = s.raw(ctx, (*wire.Exchange).Logout)
	}
}

func (s *session) isBroken() bool { return s.dead || s.conn.Err() != nil }

// isAlive reports whether the session may be used, asking the server if there
// is reason to.
func (s *session) isAlive(ctx context.Context) bool {
	if s.isBroken() {
		return false
	}
	if !s.suspect {
		return true
	}
	if err := s.raw(ctx, (*wire.Exchange).Noop); err != nil {
		s.dead = true
		return false
	}
	s.suspect = false
	return true
}

// fits grades the session for work in a mailbox: 2 no SELECT is needed, 1 no
// other mailbox is open, 0 otherwise.
func (s *session) fits(wireName string, write bool) int {
	switch {
	case s.hasOpen(wireName, write):
		return 2
	case s.selected.wire == "":
		return 1
	}
	return 0
}

func (s *session) hasOpen(wireName string, write bool) bool {
	return wireName != "" && s.selected.wire == wireName && (s.selected.writable || !write)
}

// raw gives fn the data plane.
func (s *session) raw(ctx context.Context, fn func(x *wire.Exchange) error) error {
	return s.conn.Raw(ctx, fn)
}

// control runs fn, which uses the control plane, and makes its error one that
// package mailbox knows. go-imap knows no contexts: cancelling closes the
// socket.
func (s *session) control(ctx context.Context, command string, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	err := fn()
	cancelled := !stop()
	var refused *imap.Error
	switch {
	case cancelled:
		s.dead = true
		return ctx.Err()
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return serverError(command, refused)
	}
	if cause := s.conn.Err(); cause != nil && !errors.Is(cause, net.ErrClosed) {
		return cause
	}
	s.dead = true
	var token *wire.TokenRefusal
	if errors.As(err, &token) || errors.Is(err, mailbox.ErrAuth) {
		return err
	}
	return fmt.Errorf("%s: %w: %w", command, mailbox.ErrProtocol, err)
}

// open selects a mailbox anew, for writing or not.
func (s *session) open(x *wire.Exchange, wireName string, write bool) (wire.Selected, error) {
	s.selected = selection{}
	selected, err := x.Select(s.selectRequest(wireName, write))
	if err == nil {
		s.opened(wireName, write, selected)
	}
	return selected, err
}

func (s *session) selectRequest(wireName string, write bool) wire.SelectRequest {
	return wire.SelectRequest{Name: wireName, ReadOnly: !write, CondStore: s.caps.hasCondStore()}
}

func (s *session) opened(wireName string, write bool, selected wire.Selected) {
	s.selected = selection{wire: wireName, writable: write && !selected.ReadOnly, validity: selected.Status.UIDValidity}
}

// ensure opens a mailbox unless it is open, and compares its UIDVALIDITY with
// the one that the caller's UIDs belong to. Errors wrap ErrUIDValidity.
func (s *session) ensure(x *wire.Exchange, wireName string, validity mailbox.UIDValidity, write bool) error {
	if !s.hasOpen(wireName, write) {
		if _, err := s.open(x, wireName, write); err != nil {
			return err
		}
	}
	if err := s.checkValidity(validity); err != nil {
		return err
	}
	if write && !s.selected.writable {
		return fmt.Errorf("the server opened it for reading only: writing is %w", mailbox.ErrUnsupported)
	}
	return nil
}

// checkValidity compares the open mailbox's UIDVALIDITY with the caller's.
func (s *session) checkValidity(validity mailbox.UIDValidity) error {
	if s.selected.validity != validity {
		return fmt.Errorf("%w: UIDVALIDITY %d is now %d", mailbox.ErrUIDValidity, validity, s.selected.validity)
	}
	return nil
}

// offered returns the capabilities before the login.
func (s *session) offered(ctx context.Context) (capabilities, error) {
	err := s.control(ctx, "CAPABILITY", func() error {
		if s.loginCaps = s.client.Caps(); s.loginCaps == nil {
			return errors.New("server does not tell its capabilities")
		}
		return nil
	})
	return capabilitySet(s.loginCaps, nil), err
}

// capabilities returns those after the login. Most servers tell them with the
// login's OK. Of the others go-imap asks, but not before the login has
// returned to us: as long as it still shows the old set, we ask ourselves.
func (s *session) capabilities(ctx context.Context, without []string) (capabilities, error) {
	var set imap.CapSet
	err := s.control(ctx, "CAPABILITY", func() error {
		set = s.client.Caps()
		return nil
	})
	if err != nil {
		return nil, err
	}
	isOld := reflect.ValueOf(set).Pointer() == reflect.ValueOf(s.loginCaps).Pointer()
	if set != nil && !isOld {
		return capabilitySet(set, without), nil
	}
	var names []string
	err = s.raw(ctx, func(x *wire.Exchange) error {
		var err error
		names, err = x.Capability()
		return err
	})
	return newCapabilities(names, without), err
}

func capabilitySet(set imap.CapSet, without []string) capabilities {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, string(name))
	}
	return newCapabilities(names, without)
}

// namespaces returns the namespaces, the first personal one first. Without
// NAMESPACE there is one, with INBOX's separator.
func (s *session) namespaces(ctx context.Context) ([]namespace, error) {
	var spaces []namespace
	if data := s.spaces; data != nil {
		spaces = appendNamespaces(spaces, data.Personal, true)
		spaces = appendNamespaces(spaces, data.Other, false)
		spaces = appendNamespaces(spaces, data.Shared, false)
	}
	if len(spaces) > 0 && spaces[0].personal {
		return spaces, nil
	}
	own := namespace{separator: "/", personal: true}
	err := s.raw(ctx, func(x *wire.Exchange) error {
		return x.List(wire.ListRequest{Pattern: string(mailbox.Inbox)}, func(row wire.ListRow) error {
			if isInbox(row.Name) && row.Err == nil {
				own.separator = row.Separator
			}
			return nil
		})
	})
	return append([]namespace{own}, spaces...), err
}

func appendNamespaces(spaces []namespace, rows []imap.NamespaceDescriptor, personal bool) []namespace {
	for _, row := range rows {
		separator := ""
		if row.Delim != 0 {
			separator = string(row.Delim)
		}
		spaces = append(spaces, namespace{prefix: row.Prefix, separator: separator, personal: personal})
	}
	return spaces
}
