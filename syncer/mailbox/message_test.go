package mailbox

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseHashIsTheInverseOfString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Hash
		copy(h[:], rapid.SliceOfN(rapid.Byte(), len(h), len(h)).Draw(t, "hash"))
		got, err := ParseHash(h.String())
		if err != nil || got != h || got.IsZero() != (h == Hash{}) {
			t.Fatalf("%s became %s, %v", h, got, err)
		}
	})
	for _, text := range []string{"", "00", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("0", 66), strings.Repeat("g", 64), strings.Repeat("0", 128), " " + strings.Repeat("0", 63)} {
		if h, err := ParseHash(text); !errors.Is(err, ErrHash) || !h.IsZero() {
			t.Errorf("%q: %s, %v; want ErrHash", text, h, err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(strings.Repeat("0a", 32))
	f.Add(strings.Repeat("0A", 32))
	f.Add("xyz")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHash(text)
		if err != nil && (!errors.Is(err, ErrHash) || !h.IsZero()) {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && !strings.EqualFold(h.String(), text) {
			t.Errorf("%q became %s", text, h)
		}
	})
}

// TestDatesKeepTheirZone: INTERNALDATE survives, dates before 1970 and odd
// zones included.
func TestDatesKeepTheirZone(t *testing.T) {
	for _, test := range []struct {
		text string
		want Date
	}{
		{"1996-07-17T02:44:25-07:00", Date{Unix: 837596665, Offset: -7 * 3600, Known: true}},
		{"1969-12-31T23:59:59Z", Date{Unix: -1, Known: true}},
		{"1970-01-01T00:00:00Z", Date{Known: true}},
		{"2024-02-29T12:00:00+05:45", Date{Unix: 1709187300, Offset: 20700, Known: true}},
		{"9999-12-31T23:59:59+14:00", Date{Unix: 253402250399, Offset: 14 * 3600, Known: true}},
	} {
		at, err := time.Parse(time.RFC3339, test.text)
		if err != nil {
			t.Fatal(err)
		}
		got := DateOf(at.Add(999 * time.Millisecond))
		if got != test.want {
			t.Errorf("%s is %+v, want %+v", test.text, got, test.want)
		}
		if back := got.Time().Format(time.RFC3339); back != test.text {
			t.Errorf("%s comes back as %s", test.text, back)
		}
	}
	if !(Date{}).Time().IsZero() {
		t.Error("an unknown date has a time")
	}
}

func TestDateIsTheSameAfterATimeAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Date{
			Unix:   rapid.Int64Range(-62135596800, 253402300799).Draw(t, "unix"),
			Offset: rapid.Int32Range(-14*60, 14*60).Draw(t, "minutes") * 60,
			Known:  true,
		}
		if got := DateOf(d.Time()); got != d {
			t.Fatalf("%+v became %+v", d, got)
		}
	})
}

func TestSameInstantNeedsTwoKnownDates(t *testing.T) {
	here, there := Date{Unix: 5, Offset: 3600, Known: true}, Date{Unix: 5, Known: true}
	for _, test := range []struct {
		a, b Date
		want bool
	}{{here, there, true}, {here, Date{Unix: 6, Known: true}, false}, {Date{}, Date{}, false}, {Date{Unix: 5}, here, false}, {here, Date{Unix: 5}, false}} {
		if test.a.SameInstant(test.b) != test.want {
			t.Errorf("%+v and %+v: %v", test.a, test.b, !test.want)
		}
	}
}

func TestLinkKindsAreWhatIsStored(t *testing.T) {
	for i, want := range []string{"linked", "pending-download", "pending-upload", "kept-local", "kept-remote", "skipped", "pending-expunge", "LinkKind(7)"} {
		if got := LinkKind(i).String(); got != want {
			t.Errorf("kind %d is %q, want %q", i, got, want)
		}
	}
}

func TestServerErrorTellsItsKind(t *testing.T) {
	err := error(&ServerError{Status: "NO", Code: "OVERQUOTA", Text: "full", Command: "APPEND", Kind: ErrQuota})
	if got := err.Error(); got != "APPEND: server says NO [OVERQUOTA]: full" {
		t.Errorf("got %q", got)
	}
	if !errors.Is(err, ErrQuota) || errors.Is(err, ErrAuth) {
		t.Error("its kind is not found")
	}
	if got := (&ServerError{Status: "BYE", Command: "IDLE"}).Error(); got != "IDLE: server says BYE" {
		t.Errorf("got %q", got)
	}
}
