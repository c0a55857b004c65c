package imapremote

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Extension is a row of the table of what mailferry makes use of.
type Extension struct {
	// Name as in CAPABILITY.
	Name string
	// RFC is where it is defined.
	RFC string
	// Gains says what it is used for.
	Gains string
	// Without says what is done where it is missing.
	Without string
}

// Extensions lists the IMAP extensions that mailferry makes use of. All are
// optional.
func Extensions() []Extension { return slices.Clone(extensions) }

var extensions = []Extension{
	{"APPENDLIMIT", "RFC 7889", "too large messages are not sent at all", "the server refuses them after the upload"},
	{"COMPRESS=DEFLATE", "RFC 4978", "less to carry over a slow line, where that was measured to help", "mail travels as it is"},
	{"CONDSTORE", "RFC 7162", "only what changed is listed; flags are not changed over newer ones", "every look is a scan of all flags"},
	{"ESEARCH", "RFC 4731", "the list of UIDs comes as a few ranges", "UID SEARCH ALL names every UID"},
	{"ID", "RFC 2971", "the server's administrator sees the client's name", "it is not told"},
	{"IDLE", "RFC 2177", "watch hears of changes in a mailbox at once", "watch looks every few minutes"},
	{"LIST-EXTENDED", "RFC 5258", "LIST takes options", "plain LIST"},
	{"LIST-STATUS", "RFC 5819", "one command tells the state of all mailboxes", "one STATUS a mailbox"},
	{"LITERAL+", "RFC 7888", "uploads do not wait for the server", "one round trip more for each upload"},
	{"LITERAL-", "RFC 7888", "small uploads do not wait for the server", "one round trip more for each upload"},
	{"MOVE", "RFC 6851", "messages move in one step", "COPY, then UID EXPUNGE"},
	{"MULTIAPPEND", "RFC 3502", "many uploads in one command", "one APPEND a message"},
	{"NAMESPACE", "RFC 2342", "prefixes such as INBOX. are not part of names", "names are taken as they are"},
	{"NOTIFY", "RFC 5465", "watch hears of changes in all mailboxes over one connection", "one connection a mailbox, with IDLE"},
	{"OBJECTID", "RFC 8474", "renamed mailboxes and copies of messages are recognised", "a renamed mailbox is a new one whose mail is matched by content; a copy's header is read"},
	{"QRESYNC", "RFC 7162", "implies CONDSTORE", "CONDSTORE alone is enough"},
	{"QUOTA", "RFC 9208", "what an account still takes is told before a restore; an archive frees as much as is needed", "nobody knows it before the server refuses; --until-quota is refused"},
	{"SASL-IR", "RFC 4959", "login takes a round trip less", "the mechanism is named first"},
	{"SPECIAL-USE", "RFC 6154", "Sent, Trash and so on are known", "they are mailboxes like others"},
	{"UIDPLUS", "RFC 4315", "single messages are expunged; uploads return their UID", "messages are only marked \\Deleted; uploads are found again by content"},
	{"UNSELECT", "RFC 3691", "a mailbox is left without expunging", "it stays selected"},
	{"X-GM-EXT-1", "Gmail", "a message that has several labels is read once", "copies are recognised by size, date and header"},
}

// capabilities is what the server says it can do, in capitals.
type capabilities map[string]bool

// newCapabilities leaves out what is hidden.
func newCapabilities(names []string, without []string) capabilities {
	caps := capabilities{}
	for _, name := range names {
		caps[strings.ToUpper(name)] = true
	}
	for _, name := range without {
		delete(caps, strings.ToUpper(name))
	}
	return caps
}

// names lists the capabilities, sorted.
func (c capabilities) names() []string { return slices.Sorted(maps.Keys(c)) }

func (c capabilities) has(name string) bool { return c[name] }

// hasCondStore: QRESYNC implies it. (RFC 7162, section 3.2.3)
func (c capabilities) hasCondStore() bool { return c["CONDSTORE"] || c["QRESYNC"] }

// appendLimit returns the largest message that the server takes in any
// mailbox, 0 if it does not say. (RFC 7889, section 2)
func (c capabilities) appendLimit() int64 {
	for name := range c {
		if text, found := strings.CutPrefix(name, "APPENDLIMIT="); found {
			if limit, err := strconv.ParseInt(text, 10, 64); err == nil && limit > 0 {
				return limit
			}
		}
	}
	return 0
}
