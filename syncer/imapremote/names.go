package imapremote

import (
	"fmt"
	"strings"
	"sync"

	"mailferry/syncer/mailbox"
)

// maxLevels is how deep a mailbox may be nested.
const maxLevels = 1000

// errName is wrapped by every error about a name that has no counterpart on
// the other side.
var errName = fmt.Errorf("mailbox name is %w", mailbox.ErrUnsupported)

// namespace is one row of the server's NAMESPACE answer. (RFC 2342)
type namespace struct {
	prefix    string // wire octets, its separator included: "INBOX."
	separator string // one octet, "" for a flat namespace
	personal  bool   // false: other users' and shared mailboxes
}

// names translates between the server's names and mailbox.Name. Names that
// were listed go back as exactly the octets that they came as; others are
// encoded by the rules of the personal namespace. It may be used from several
// goroutines.
type names struct {
	namespaces []namespace // the first personal one leads, if there is one

	mu     sync.Mutex
	listed map[mailbox.Name]string
	left   []mailbox.LeftOut
}

func newNames(namespaces []namespace) *names {
	return &names{namespaces: namespaces, listed: map[mailbox.Name]string{}}
}

// own is the namespace that new mailboxes are made in.
func (n *names) own() namespace {
	if len(n.namespaces) > 0 && n.namespaces[0].personal {
		return n.namespaces[0]
	}
	return namespace{separator: "/", personal: true}
}

// isForeign reports whether a name belongs to other users or is shared. The
// longest prefix decides, because a server may give one of them the empty
// prefix (Cyrus does, for shared mailboxes).
func (n *names) isForeign(wire string) bool {
	if isInbox(wire) {
		return false
	}
	longest, foreign := -1, false
	for _, space := range n.namespaces {
		if _, found := cutPrefix(wire, space.prefix); found && len(space.prefix) > longest {
			longest, foreign = len(space.prefix), !space.personal
		}
	}
	return foreign
}

// fromWire decodes a name as the server sent it with its row's separator.
// Errors wrap errName.
func (n *names) fromWire(wire, separator string) (mailbox.Name, error) {
	if wire == "" {
		return "", fmt.Errorf("%w: it is empty", errName)
	}
	if strings.ContainsAny(wire, "\x00\r\n") {
		return "", fmt.Errorf("%w: it holds NUL, CR or LF", errName)
	}
	if isInbox(wire) {
		return mailbox.Inbox, nil
	}
	if len(separator) > 1 {
		return "", fmt.Errorf("%w: separator %q is longer than an octet", errName, separator)
	}
	path := wire
	if below, found := cutPrefix(wire, n.own().prefix); found && below != "" && !isAllInbox(splitWire(below, separator)) {
		path = below
	}
	parts := splitWire(path, separator)
	if len(parts) > maxLevels {
		return "", fmt.Errorf("%w: it has %d levels", errName, len(parts))
	}
	levels := make([]mailbox.Level, len(parts))
	for i, part := range parts {
		if text, ok := decodeUTF7(part); ok {
			levels[i] = mailbox.Level{Text: text}
		} else {
			levels[i] = mailbox.Level{Text: part, Raw: true}
		}
	}
	name := mailbox.Join(levels...)
	if name == "" {
		return "", fmt.Errorf("%w: it is empty", errName)
	}
	return name, nil
}

// toWire returns the octets that name the mailbox on the server. Errors wrap
// errName.
func (n *names) toWire(name mailbox.Name) (string, error) {
	n.mu.Lock()
	wire, found := n.listed[name]
	n.mu.Unlock()
	if found {
		return wire, nil
	}
	return n.encode(name)
}

// encode is the inverse of fromWire for names in the personal namespace.
func (n *names) encode(name mailbox.Name) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: it is empty", errName)
	}
	if name == mailbox.Inbox {
		return string(mailbox.Inbox), nil
	}
	own := n.own()
	levels := name.Split()
	parts := make([]string, len(levels))
	for i, level := range levels {
		parts[i] = level.Text
		if !level.Raw {
			parts[i] = encodeUTF7(level.Text)
		}
		if strings.ContainsAny(parts[i], "\x00\r\n") {
			return "", fmt.Errorf("%w: %q holds NUL, CR or LF", errName, name)
		}
		if own.separator != "" && strings.Contains(level.Text, own.separator) {
			return "", fmt.Errorf("%w: %q contains %q, which separates levels on this server", errName, name, own.separator)
		}
	}
	if len(parts) > 1 && own.separator == "" {
		return "", fmt.Errorf("%w: %q has several levels, which this server does not support", errName, name)
	}
	prefix := own.prefix
	if prefix != "" && isAllInbox(parts) {
		// fromWire leaves the prefix in place here.
		prefix = ""
	}
	wire := prefix + strings.Join(parts, own.separator)
	if back, err := n.fromWire(wire, own.separator); err != nil || back != name {
		return "", fmt.Errorf("%w: %q would be read back as %q", errName, name, back)
	}
	return wire, nil
}

// learn remembers how a listed name is spelled. It reports false if the name
// already stands for another mailbox.
func (n *names) learn(name mailbox.Name, wire string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known, found := n.listed[name]; found && known != wire {
		return false
	}
	n.listed[name] = wire
	return true
}

// replace takes the names of a new listing for the old ones.
func (n *names) replace(listed map[mailbox.Name]string, left []mailbox.LeftOut) {
	n.mu.Lock()
	n.listed, n.left = listed, left
	n.mu.Unlock()
}

// omitted returns what the last listing left out.
func (n *names) omitted() []mailbox.LeftOut {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.left
}

// forget drops a name and those below it.
func (n *names) forget(name mailbox.Name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for known := range n.listed {
		if known == name || known.IsBelow(name) {
			delete(n.listed, known)
		}
	}
}

func isInbox(level string) bool { return strings.EqualFold(level, string(mailbox.Inbox)) }

// isAllInbox reports whether every level is INBOX. Under a prefix such as
// "INBOX." the name INBOX.INBOX would, without its prefix, be INBOX itself;
// keeping the prefix on just these names is what keeps all others one to one.
func isAllInbox(levels []string) bool {
	for _, level := range levels {
		if !isInbox(level) {
			return false
		}
	}
	return true
}

func splitWire(wire, separator string) []string {
	if separator == "" {
		return []string{wire}
	}
	return strings.Split(wire, separator)
}

// cutPrefix removes a namespace's prefix. The INBOX in "INBOX." is spelled in
// any case, as the mailbox is.
func cutPrefix(wire, prefix string) (string, bool) {
	if below, found := strings.CutPrefix(wire, prefix); found {
		return below, true
	}
	inbox := len(mailbox.Inbox)
	if len(prefix) == inbox+1 && isInbox(prefix[:inbox]) && len(wire) > inbox && strings.EqualFold(wire[:inbox+1], prefix) {
		return wire[inbox+1:], true
	}
	return wire, false
}

// NameOf reads a name of levels in modified UTF-7 joined by separator, as other
// programs write names of mailboxes down. Errors wrap mailbox.ErrUnsupported.
func NameOf(wire, separator string) (mailbox.Name, error) {
	return newNames(nil).fromWire(wire, separator)
}
