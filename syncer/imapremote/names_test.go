package imapremote

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"mailferry/syncer/mailbox"
)

func TestUTF7IsReadOnlyInItsCanonicalForm(t *testing.T) {
	for _, test := range []struct {
		wire, text string
		ok         bool
	}{
		{"INBOX", "INBOX", true},
		{"", "", true},
		{"Entw&APw-rfe", "Entwürfe", true},
		{"&U,BTFw-", "台北", true},
		{"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語", true},
		{"Tom &- Jerry", "Tom & Jerry", true},
		{"&2D3eAA-", "😀", true},
		{"&AAA-", "\x00", true},
		{"&AH8-", "\x7f", true},
		{"&Jjo!", "", false},           // shift that does not end
		{"&", "", false},               //
		{"&AGE-", "", false},           // "a" needs no shift
		{"&AOk-&AOk-", "", false},      // two runs that should be one
		{"&AOk-&-", "é&", true},        //
		{"&2D0-", "", false},           // lone surrogate
		{"&AOl-", "", false},           // bits left over
		{"&AOk=-", "", false},          // padding
		{"&U/BTFw-", "", false},        // "/" is not in this base64
		{"Entw\xc3\xbcrfe", "", false}, // raw UTF-8
		{"caf\xe9", "", false},         // raw octets
		{"a\x01b", "", false},          // control character
		{"&AO\r\nk-", "", false},       // base64 that ignores line ends
		{"&//3,,Q-", "", false},        //
		{"&,,0-", "\ufffd", true},      //
		{"&AOk", "", false},            //
		{"x&AOkAZQ-", "", false},       // "e" within the run
		{"x&AOk-e", "xée", true},       //
		{strings.Repeat("a&-", 3), "a&a&a&", true},
	} {
		text, ok := decodeUTF7(test.wire)
		if ok != test.ok || text != test.text {
			t.Errorf("decodeUTF7(%q) = %q, %v; want %q, %v", test.wire, text, ok, test.text, test.ok)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	for _, seed := range []string{"INBOX", "Entw&APw-rfe", "&Jjo!", "&-", "&2D3eAA-", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		if text, ok := decodeUTF7(wire); ok && encodeUTF7(text) != wire {
			t.Errorf("%q decodes to %q, which encodes to %q", wire, text, encodeUTF7(text))
		}
		// Taken for a name's text, it comes back.
		if encoded := encodeUTF7(wire); utf8.ValidString(wire) {
			if text, ok := decodeUTF7(encoded); !ok || text != wire || !isDirect(strings.ReplaceAll(encoded, "&", "")) {
				t.Errorf("%q encodes to %q, which decodes to %q, %v", wire, encoded, text, ok)
			}
		}
	})
}

// Two names of a server are two names here, and each is spelled as it was.
func FuzzServerNames(f *testing.F) {
	for _, pair := range [][2]string{
		{"INBOX.a", "a"}, {"inbox", "INBOX"}, {"INBOX.INBOX", "INBOX"}, {"a/b", "a%2Fb"}, {"&AOk-", "\xc3\xa9"}, {"&Jjo!", "%x26Jjo!"},
		{"Mail/a", "a"}, {"..", "."}, {"a//b", "a/%/b"}, {"\xff", "%xff"}, {"user.x", "INBOX.user.x"}, {"a\r\nb", "\x00"},
	} {
		for space := range 5 {
			f.Add(pair[0], pair[1], uint8(space))
		}
	}
	spaces := [][]namespace{plainSpace, courierSpace, cyrusSpace, mailSpace, flatSpace}
	f.Fuzz(func(t *testing.T, one, other string, space uint8) {
		table := newNames(spaces[int(space)%len(spaces)])
		separator := table.own().separator
		a, errA := table.fromWire(one, separator)
		b, errB := table.fromWire(other, separator)
		sameInbox := isInbox(one) && isInbox(other)
		// A name outside the personal namespace may be told like one within: a
		// listing with both leaves one out, and says so.
		isBelow := table.own().prefix != ""
		if errA == nil && errB == nil && one != other && a == b && !sameInbox && !isBelow {
			t.Errorf("%q and %q are both %q", one, other, a)
		}
		if errA != nil {
			return
		}
		if back, err := table.encode(a); err == nil && back != one && !isInbox(one) && !isBelow {
			t.Errorf("%q is %q, which is %q on the server", one, a, back)
		}
		if strings.ContainsAny(string(a), "\r\n\x00") && strings.ContainsAny(one, "\r\n\x00") {
			t.Errorf("%q is %q", one, a)
		}
	})
}

var (
	plainSpace   = []namespace{{prefix: "", separator: "/", personal: true}}
	courierSpace = []namespace{{prefix: "INBOX.", separator: ".", personal: true}, {prefix: "shared.", separator: "."}}
	cyrusSpace   = []namespace{{prefix: "INBOX.", separator: ".", personal: true}, {prefix: "user.", separator: "."}, {prefix: "", separator: "."}}
	mailSpace    = []namespace{{prefix: "Mail/", separator: "/", personal: true}}
	flatSpace    = []namespace{{prefix: "", separator: "", personal: true}}
)

func TestNamesMapBothWays(t *testing.T) {
	for _, test := range []struct {
		spaces []namespace
		wire   string
		name   mailbox.Name
	}{
		{plainSpace, "INBOX", "INBOX"},
		{plainSpace, "Old Mail", "Old Mail"},
		{plainSpace, "INBOX/Sub", "INBOX/Sub"},
		{plainSpace, "P/Q", "P/Q"},
		{plainSpace, "a//b", "a//b"},
		{plainSpace, "/etc/passwd", "/etc/passwd"},
		{plainSpace, "../../.ssh/authorized_keys", "../../.ssh/authorized_keys"},
		{plainSpace, "Entw&APw-rfe", "Entwürfe"},
		{plainSpace, "&Jjo!", "%x26Jjo!"},
		{plainSpace, "100%", "100%"},
		{plainSpace, "%2F", "%252F"},
		{plainSpace, "caf\xe9", "caf%xe9"},
		{courierSpace, "INBOX", "INBOX"},
		{courierSpace, "INBOX.Sent", "Sent"},
		{courierSpace, "INBOX.a.b", "a/b"},
		{courierSpace, "INBOX.a/b", "a%2Fb"},
		{courierSpace, "INBOX.INBOX", "INBOX/INBOX"},
		{courierSpace, "INBOX.inbox", "INBOX/inbox"},
		{courierSpace, "INBOX.INBOX.Sub", "INBOX/Sub"},
		{courierSpace, "INBOX.INBOX.INBOX", "INBOX/INBOX/INBOX"},
		{courierSpace, "INBOX.INBOX.INBOX.Sub", "INBOX/INBOX/Sub"},
		{courierSpace, "INBOX.", "INBOX/"},
		{mailSpace, "Mail/work", "work"},
		{mailSpace, "INBOX", "INBOX"},
		{flatSpace, "a/b", "a%2Fb"},
	} {
		table := newNames(test.spaces)
		name, err := table.fromWire(test.wire, table.own().separator)
		if err != nil || name != test.name {
			t.Errorf("fromWire(%q) = %q, %v; want %q", test.wire, name, err, test.name)
		}
		wire, err := table.toWire(test.name)
		if test.wire == "INBOX." {
			continue // the namespace's root, which is \NoSelect
		}
		if err != nil || wire != test.wire {
			t.Errorf("toWire(%q) = %q, %v; want %q", test.name, wire, err, test.wire)
		}
	}
}

func TestNamesThatTheServerCannotHaveAreRefused(t *testing.T) {
	for _, test := range []struct {
		spaces []namespace
		name   mailbox.Name
	}{
		{plainSpace, ""},
		{plainSpace, mailbox.JoinText("a/b")},
		{courierSpace, mailbox.JoinText("a.b")},
		{flatSpace, "a/b"},
		{plainSpace, mailbox.Name("a\xffb")},
		{plainSpace, mailbox.Join(mailbox.Level{Text: "a\r\nb&", Raw: true})},
	} {
		if wire, err := newNames(test.spaces).toWire(test.name); !errors.Is(err, errName) {
			t.Errorf("toWire(%q) = %q, %v", test.name, wire, err)
		}
	}
	for _, test := range []struct{ wire, separator string }{
		{"", "/"}, {"a\x00", "/"}, {"a\r\nb", "/"}, {"a", "//"}, {strings.Repeat("a/", 1000), "/"},
	} {
		if name, err := newNames(plainSpace).fromWire(test.wire, test.separator); !errors.Is(err, errName) {
			t.Errorf("fromWire(%q) = %q, %v", test.wire, name, err)
		}
	}
}

func TestListedNamesGoBackAsTheSameOctets(t *testing.T) {
	table := newNames(plainSpace)
	// The separator of this row differs from that of the namespace.
	name, err := table.fromWire("a.b", ".")
	if err != nil || name != "a/b" {
		t.Fatalf("fromWire = %q, %v", name, err)
	}
	for _, c := range []struct {
		spelling string
		want     bool
	}{{"a.b", true}, {"a.b", true}, {"a/b", false}} {
		if got := table.learn(name, c.spelling); got != c.want {
			t.Errorf("learn(%q) = %v: the first spelling is to stay", c.spelling, got)
		}
	}
	if wire, err := table.toWire(name); err != nil || wire != "a.b" {
		t.Errorf("toWire = %q, %v", wire, err)
	}
	table.learn("a", "a")
	table.forget("a")
	if wire, err := table.toWire(name); err != nil || wire != "a/b" {
		t.Errorf("toWire after forget = %q, %v", wire, err)
	}
}

func TestForeignMailboxesAreTold(t *testing.T) {
	for _, test := range []struct {
		spaces  []namespace
		wire    string
		foreign bool
	}{
		{courierSpace, "INBOX", false}, {courierSpace, "INBOX.a", false}, {courierSpace, "shared.a", true}, {courierSpace, "odd", false},
		{cyrusSpace, "INBOX", false}, {cyrusSpace, "inbox.a", false}, {cyrusSpace, "user.bob", true}, {cyrusSpace, "bulletin", true},
		{plainSpace, "user.bob", false},
	} {
		if got := newNames(test.spaces).isForeign(test.wire); got != test.foreign {
			t.Errorf("isForeign(%q) = %v", test.wire, got)
		}
	}
}

// wireNames draws names as servers send them, broken ones included.
func wireNames() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		pieces := []string{"a", "A", "/", ".", "&", "-", "&-", "&AOk-", "&AOk", "INBOX", "inbox", "%2F", "%x41", "%", "\xc3\xa9", "\xff", " ", "..", "&2D0-"}
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 8).Draw(t, "pieces"), "")
	})
}

func TestNamesAreInjectiveAndReversible(t *testing.T) {
	for _, spaces := range [][]namespace{plainSpace, courierSpace, flatSpace} {
		rapid.Check(t, func(t *rapid.T) {
			table := newNames(spaces)
			own := table.own()
			wires := [2]string{}
			found := [2]mailbox.Name{}
			for i := range wires {
				wires[i] = own.prefix + wireNames().Draw(t, "wire")
				name, err := table.fromWire(wires[i], own.separator)
				if err != nil {
					t.Fatalf("fromWire(%q): %v", wires[i], err)
				}
				found[i] = name
				if startsWithInbox(wires[i], own) {
					continue
				}
				if back, err := table.encode(name); err != nil || back != wires[i] {
					t.Fatalf("%q becomes %q and then %q, %v", wires[i], name, back, err)
				}
			}
			same := wires[0] == wires[1] || startsWithInbox(wires[0], own) && strings.EqualFold(wires[0], wires[1])
			if found[0] == found[1] && !same {
				t.Fatalf("%q and %q both become %q", wires[0], wires[1], found[0])
			}
		})
	}
}

// startsWithInbox: there the spelling of INBOX is not kept by a name alone.
func startsWithInbox(wire string, own namespace) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(wire, own.prefix), own.separator)
	if own.separator == "" {
		first = wire
	}
	return isInbox(first)
}
