package imapremote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// maxMailboxes is how many mailboxes an account may have.
const maxMailboxes = 100_000

// List returns every mailbox of the user that can be selected, sorted by name,
// with its status. LeftOut tells of those that have no name here. (RFC 9051,
// section 6.3.9; with LIST-STATUS: RFC 5819)
func (a *Account) List(ctx context.Context) ([]mailbox.Listed, error) {
	var found []mailbox.Listed
	err := a.with(ctx, "", false, func(s *session) error {
		return s.raw(ctx, func(x *wire.Exchange) error {
			rows, err := a.listRows(s, x)
			if err != nil {
				return err
			}
			found = a.translate(rows)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// listRows asks for all mailboxes and, if need be one by one, for their status.
func (a *Account) listRows(s *session, x *wire.Exchange) ([]wire.ListRow, error) {
	withStatus := s.caps.has("LIST-STATUS")
	req := wire.ListRequest{
		SpecialUse:    s.caps.has("SPECIAL-USE") && (withStatus || s.caps.has("LIST-EXTENDED")),
		Subscribed:    s.caps.has("LIST-EXTENDED"),
		Status:        withStatus,
		HighestModSeq: withStatus && s.caps.hasCondStore(),
		// Cyrus 3.6 answers STATUS (MAILBOXID) now and then with octets that
		// it never set, quotes and line ends among them.
		MailboxID: withStatus && s.caps.has("OBJECTID") && !s.caps.has("X-CREATEDMODSEQ"),
	}
	var rows []wire.ListRow
	err := x.List(req, func(row wire.ListRow) error {
		if len(rows) == maxMailboxes {
			return fmt.Errorf("%w: the server lists more than %d mailboxes", mailbox.ErrIncomplete, maxMailboxes)
		}
		if a.isOurs(row) {
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.addStatus(x, rows)
}

// addStatus asks for the status of mailboxes that came without one. Those that
// the server then says do not exist are only names on the way to others:
// Dovecot lists a deleted mailbox like any other as long as it has children.
func (s *session) addStatus(x *wire.Exchange, rows []wire.ListRow) ([]wire.ListRow, error) {
	index := map[string]int{}
	var wanted []string
	for i, row := range rows {
		if row.Status == nil {
			index[row.Name] = i
			wanted = append(wanted, row.Name)
		}
	}
	absent := map[string]bool{}
	err := x.StatusAll(wanted, s.caps.hasCondStore(), func(row wire.StatusRow) error {
		if row.Err == nil {
			rows[index[row.Name]].Status = &row.Status
		}
		absent[row.Name] = saysAbsent(row.Err)
		return nil
	})
	return slices.DeleteFunc(rows, func(row wire.ListRow) bool { return absent[row.Name] }), err
}

// saysAbsent reports whether a refusal says that the mailbox does not exist.
// Dovecot has no response code for it in STATUS.
func saysAbsent(err error) bool {
	var refused *mailbox.ServerError
	if !errors.As(err, &refused) || refused.Status != "NO" {
		return false
	}
	if refused.Code != "" {
		return refused.Code == "NONEXISTENT"
	}
	text := strings.ToLower(refused.Text)
	return strings.Contains(text, "doesn't exist") || strings.Contains(text, "does not exist")
}

// LeftOut tells which mailboxes the last List had to leave out: those whose
// names cannot be read, or have no counterpart, or are another's, too.
func (a *Account) LeftOut() []mailbox.LeftOut { return a.names.omitted() }

// isOurs reports whether a row is a mailbox of the user that can be selected.
func (a *Account) isOurs(row wire.ListRow) bool {
	return !hasAttribute(row, `\NoSelect`) && !hasAttribute(row, `\NonExistent`) && !a.names.isForeign(row.Name)
}

func hasAttribute(row wire.ListRow, attribute string) bool {
	return slices.ContainsFunc(row.Attributes, func(a string) bool { return strings.EqualFold(a, attribute) })
}

// translate gives the rows their names, sorts them, and remembers how the
// server spells them.
func (a *Account) translate(rows []wire.ListRow) []mailbox.Listed {
	spelled := make(map[mailbox.Name]string, len(rows))
	found := make([]mailbox.Listed, 0, len(rows))
	var omitted []mailbox.LeftOut
	for _, row := range rows {
		name, err := a.names.fromWire(row.Name, row.Separator)
		if row.Name == "" && row.Err != nil {
			err = row.Err
		}
		first, taken := spelled[name]
		if err == nil && taken && first != row.Name {
			err = fmt.Errorf("%w: %q has the same one", errName, first)
		}
		if err != nil {
			omitted = append(omitted, mailbox.LeftOut{Text: row.Name, Err: err})
		}
		if err != nil || taken {
			continue
		}
		spelled[name] = row.Name
		found = append(found, mailbox.Listed{Name: name, Attributes: row.Attributes, Status: row.Status, MailboxID: row.MailboxID})
	}
	a.names.replace(spelled, omitted)
	slices.SortFunc(found, func(x, y mailbox.Listed) int { return cmp.Compare(x.Name, y.Name) })
	return found
}

// Exists asks for one mailbox by name. It is gone if STATUS says so, or if LIST
// does not show it and STATUS refuses it for no other reason.
func (a *Account) Exists(ctx context.Context, name mailbox.Name) (bool, error) {
	wireName, err := a.names.toWire(name)
	if err != nil {
		return false, err
	}
	var exists bool
	err = a.with(ctx, "", false, func(s *session) error {
		return s.raw(ctx, func(x *wire.Exchange) error {
			exists, err = s.exists(x, wireName)
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return exists, nil
}

func (s *session) exists(x *wire.Exchange, wireName string) (bool, error) {
	listed := false
	// A "*" or "%" in the name makes it a pattern: hence the comparison.
	err := x.List(wire.ListRequest{Pattern: wireName}, func(row wire.ListRow) error {
		same := row.Name == wireName || isInbox(row.Name) && isInbox(wireName)
		listed = listed || same && !hasAttribute(row, `\NonExistent`) && !hasAttribute(row, `\NoSelect`)
		return nil
	})
	if err != nil {
		return false, err
	}
	_, err = x.Status(wireName, false)
	if err == nil {
		return true, nil
	}
	if saysAbsent(err) {
		return false, nil
	}
	var refused *mailbox.ServerError
	if !listed && errors.As(err, &refused) && refused.Status == "NO" {
		switch refused.Code {
		case "", "TRYCREATE", "CANNOT":
			if refused.Kind == nil || errors.Is(refused, mailbox.ErrNotFound) {
				return false, nil
			}
		}
	}
	return false, err
}
