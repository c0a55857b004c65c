package mailbox

import (
	"slices"
	"strings"
)

// System flags and the one keyword that Maildir has a letter for.
// (RFC 9051, section 2.3.2; $Forwarded: RFC 5550, section 5.9)
const (
	FlagSeen      = `\Seen`
	FlagAnswered  = `\Answered`
	FlagFlagged   = `\Flagged`
	FlagDeleted   = `\Deleted`
	FlagDraft     = `\Draft`
	FlagForwarded = "$Forwarded"
)

var systemFlags = [...]string{FlagAnswered, FlagDeleted, FlagDraft, FlagFlagged, FlagSeen}

// Flags is a set of flags and keywords. The zero value is empty; values are
// immutable and may be copied. Names are compared without regard to case, as
// servers do, and keep the spelling they came with. \Recent is never in a set:
// it belongs to a session, not to a message.
type Flags struct {
	system   uint8  // bit i is systemFlags[i]
	keywords string // sorted without regard to case, separated by a space
}

// NewFlags builds a set. What is no flag (\Recent, \*, an unknown \Flag, a
// name with characters that an atom may not have) is left out; see IsKeyword.
func NewFlags(names ...string) Flags {
	var f Flags
	var keywords []string
	for _, name := range names {
		if i := systemIndex(name); i >= 0 {
			f.system |= 1 << i
		} else if IsKeyword(name) {
			keywords = append(keywords, name)
		}
	}
	f.keywords = joinKeywords(keywords)
	return f
}

// IsKeyword reports whether name can be a keyword: a non-empty atom.
// (RFC 9051, flag-keyword)
func IsKeyword(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

func systemIndex(name string) int {
	if !strings.HasPrefix(name, `\`) {
		return -1
	}
	return slices.IndexFunc(systemFlags[:], func(flag string) bool { return strings.EqualFold(flag, name) })
}

func joinKeywords(keywords []string) string {
	if len(keywords) == 0 {
		return ""
	}
	slices.SortStableFunc(keywords, compareFold)
	return strings.Join(slices.CompactFunc(keywords, strings.EqualFold), " ")
}

func compareFold(a, b string) int {
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

// IsEmpty reports whether the set has no flag.
func (f Flags) IsEmpty() bool { return f.system == 0 && f.keywords == "" }

// Keywords lists the keywords, sorted.
func (f Flags) Keywords() []string { return strings.Fields(f.keywords) }

// Names lists all flags: system flags first, both parts sorted.
func (f Flags) Names() []string {
	names := []string{}
	for i, name := range systemFlags {
		if f.system&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return append(names, f.Keywords()...)
}

// String is the names separated by a space.
func (f Flags) String() string { return strings.Join(f.Names(), " ") }

// Has reports whether the flag is in the set.
func (f Flags) Has(name string) bool {
	if i := systemIndex(name); i >= 0 {
		return f.system&(1<<i) != 0
	}
	for keyword := range strings.FieldsSeq(f.keywords) {
		if strings.EqualFold(keyword, name) {
			return true
		}
	}
	return false
}

// Equal reports whether both sets hold the same flags.
func (f Flags) Equal(g Flags) bool {
	return f.system == g.system && (f.keywords == g.keywords || strings.EqualFold(f.keywords, g.keywords))
}

// Union returns the flags of either set, spelled as in f where both have one.
func (f Flags) Union(g Flags) Flags {
	f.system |= g.system
	if g.keywords != "" && f.keywords != g.keywords {
		f.keywords = joinKeywords(append(f.Keywords(), g.Keywords()...))
	}
	return f
}

// Minus returns the flags of f that are not in g.
func (f Flags) Minus(g Flags) Flags { return f.filter(g, false) }

// Intersect returns the flags of f that are in g.
func (f Flags) Intersect(g Flags) Flags { return f.filter(g, true) }

func (f Flags) filter(g Flags, keep bool) Flags {
	if keep {
		f.system &= g.system
	} else {
		f.system &^= g.system
	}
	if f.keywords != "" {
		keywords := slices.DeleteFunc(f.Keywords(), func(name string) bool { return g.Has(name) != keep })
		f.keywords = strings.Join(keywords, " ")
	}
	return f
}

// OnlyKeywords returns the set without its system flags.
func (f Flags) OnlyKeywords() Flags { return Flags{keywords: f.keywords} }
