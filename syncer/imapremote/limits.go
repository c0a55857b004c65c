package imapremote

import (
	"context"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailferry/syncer/mailbox"
)

// Room is what an account still takes.
type Room struct {
	// MessageSize is the largest message in octets, 0 if the server does not
	// say. (RFC 7889)
	MessageSize int64
	// Used and Limit are of the storage in octets; Limit is 0 where the server
	// tells no quota. (RFC 9208)
	Used, Limit int64
}

// Room asks what the account still takes. Of several quotas it tells the one
// with the least left.
func (a *Account) Room(ctx context.Context) (Room, error) {
	room := Room{MessageSize: a.caps.appendLimit()}
	if !a.caps.has("QUOTA") {
		return room, nil
	}
	err := a.with(ctx, "", false, func(s *session) error {
		var quotas []imapclient.QuotaData
		err := s.control(ctx, "GETQUOTAROOT", func() (err error) {
			quotas, err = s.client.GetQuotaRoot(string(mailbox.Inbox)).Wait()
			return err
		})
		for _, quota := range quotas {
			storage, ok := quota.Resources[imap.QuotaResourceStorage]
			used, limit := storage.Usage<<10, storage.Limit<<10 // units of 1024 octets
			if ok && limit > 0 && (room.Limit == 0 || limit-used < room.Limit-room.Used) {
				room.Used, room.Limit = used, limit
			}
		}
		if isRefusal(err) {
			return nil
		}
		return err
	})
	return room, err
}

// Separator is what separates levels of new mailboxes, "" if there are none.
func (a *Account) Separator() string { return a.names.own().separator }

// Allows says why a name cannot be that of a new mailbox, as far as the rules
// of IMAP and the server's separator tell; the server may know more reasons.
func (a *Account) Allows(name mailbox.Name) error {
	for _, level := range name.Split() {
		if level.Raw {
			return fmt.Errorf("%w: %q is not text", errName, name)
		}
	}
	_, err := a.names.toWire(name)
	return err
}

// Subscribe puts a mailbox on the list of those that mail readers show, or
// takes it off. (RFC 9051, sections 6.3.7 and 6.3.8)
func (a *Account) Subscribe(ctx context.Context, name mailbox.Name, on bool) error {
	text, _, err := a.writableName(name)
	if err != nil {
		return err
	}
	return a.change(ctx, name, func(s *session) error {
		return s.control(ctx, "SUBSCRIBE", func() error {
			if on {
				return s.client.Subscribe(text).Wait()
			}
			return s.client.Unsubscribe(text).Wait()
		})
	})
}

// Namespace is a part of the names on a server. (RFC 2342)
type Namespace struct {
	// Prefix of the names in it, with its separator, as the server spells it.
	Prefix, Separator string
	// IsPersonal: false for other users' and shared mailboxes, which are left
	// alone.
	IsPersonal bool
}

// Namespaces lists the server's namespaces, the one for new mailboxes first.
func (a *Account) Namespaces() []Namespace {
	list := make([]Namespace, len(a.names.namespaces))
	for i, n := range a.names.namespaces {
		list[i] = Namespace{Prefix: n.prefix, Separator: n.separator, IsPersonal: n.personal}
	}
	return list
}
