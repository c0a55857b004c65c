package maildirout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"mailferry/syncer/mailbox"
)

// How a level of a mailbox's name is written on disk: to the letter, but for
// octets that a file system, a terminal or Maildir would take for something
// else, which are written as "%" and two upper-case hexadecimal digits. "%25",
// "%2F" and "%x.." belong to mailbox.Name and are left as they are. An empty
// level is "%~"; a level that gets too long is its beginning, "%~" and half
// of its SHA-256, and the folder's file nameFile then holds it whole.
const (
	maxLevel   = 255 // octets: NAME_MAX of all common file systems
	maxLevels  = 200
	maxPath    = 3000 // octets, so that store, path and key stay below PATH_MAX
	shortMark  = "%~"
	shortHash  = 32 // hexadecimal digits
	nameFile   = "mailferry-name"
	upperHex   = "0123456789ABCDEF"
	isMaildir  = " cur new tmp "
	isOurFile  = " " + nameFile + " " + keywordsFile + " " + folderMark + " "
	onWindows  = `<>:"\|?*`
	winDevices = " con prn aux nul com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9 "
)

// naming maps names to folders and back.
type naming struct {
	layout  Layout
	windows bool
}

func (n naming) control() string {
	if n.layout == MaildirPP {
		return "mailferry"
	}
	return ".mailferry"
}

// variant says how much of a level is escaped. A higher one is taken only when
// a sibling's name would be the same on a disk that ignores case or the form
// of Unicode.
type variant int

const (
	plain      variant = iota // what has to be
	caseProof                 // and capitals, and octets outside ASCII
	everything                // and all letters
	variants
)

// canonical spells a name as mailbox.Join does.
func canonical(name mailbox.Name) mailbox.Name { return mailbox.Join(name.Split()...) }

// steps splits a name into what is one folder each on disk, in the canonical
// spelling. Names that are too deep are one folder in the root.
func (n naming) steps(name mailbox.Name) []string {
	name = canonical(name)
	if n.layout == MaildirPP {
		if name == mailbox.Inbox {
			return nil
		}
		return []string{string(name)}
	}
	levels := name.Elements()
	length := 0
	for i, level := range levels {
		length += 1 + min(len(n.encodeLevel(level, i == 0, plain)), maxLevel)
	}
	if len(levels) > maxLevels || length > maxPath {
		return []string{string(name)}
	}
	return levels
}

// encode returns a step's name on disk. short says that the folder needs its
// nameFile, with the step itself as content.
func (n naming) encode(step string, top bool, v variant) (disk string, short bool) {
	var b strings.Builder
	deep := n.layout == FS && strings.Contains(step, "/")
	if n.layout == MaildirPP {
		for level := range strings.SplitSeq(step, "/") {
			b.WriteByte('.')
			b.WriteString(n.encodeLevel(level, false, v))
		}
	} else if !deep {
		b.WriteString(n.encodeLevel(step, top, v))
	} else {
		b.WriteString(n.encodeLevel(strings.ReplaceAll(step, "/", "."), top, v))
	}
	if b.Len() <= maxLevel && !deep {
		return b.String(), false
	}
	sum := sha256.Sum256([]byte(step))
	return cutLevel(b.String(), maxLevel-len(shortMark)-shortHash) + shortMark + hex.EncodeToString(sum[:])[:shortHash], true
}

// cutLevel shortens to at most size octets without cutting a character or an
// escape in two.
func cutLevel(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	if i := strings.LastIndexByte(text[:size], '%'); i >= size-3 && i >= 0 {
		size = i
	}
	return text[:size]
}

// encodeLevel escapes one level; top says that it lies in the root.
func (n naming) encodeLevel(level string, top bool, v variant) string {
	if level == "" {
		return shortMark
	}
	var b strings.Builder
	first := n.isReserved(level, top)
	for i := 0; i < len(level); {
		r, size := utf8.DecodeRuneInString(level[i:])
		switch {
		case r == '%':
			if escape := ownEscape(level[i:]); escape > 0 {
				size = escape
			}
			b.WriteString(level[i : i+size])
		case first && i == 0,
			r == utf8.RuneError && size == 1,
			n.mustEscape(level, i, r),
			v >= caseProof && (r >= utf8.RuneSelf || 'A' <= r && r <= 'Z'),
			v >= everything && 'a' <= r && r <= 'z':
			for _, c := range []byte(level[i : i+size]) {
				b.WriteByte('%')
				b.WriteByte(upperHex[c>>4])
				b.WriteByte(upperHex[c&15])
			}
		default:
			b.WriteString(level[i : i+size])
		}
		i += size
	}
	return b.String()
}

// isReserved reports whether a level as such would mean something else, so
// that its first octet is escaped.
func (n naming) isReserved(level string, top bool) bool {
	lower := " " + strings.ToLower(level) + " "
	if n.windows {
		stem, _, _ := strings.Cut(strings.ToLower(level), ".")
		if strings.Contains(winDevices, " "+strings.TrimRight(stem, " ")+" ") {
			return true
		}
	}
	if n.layout == MaildirPP || strings.Contains(level, " ") {
		return false
	}
	return level == "." || level == ".." || strings.Contains(isMaildir, lower) ||
		strings.Contains(isOurFile, lower) || top && strings.EqualFold(level, n.control())
}

// mustEscape reports whether the character r, at level[i], is never written
// as it is.
func (n naming) mustEscape(level string, i int, r rune) bool {
	switch {
	case r == '\u200c', r == '\u200d':
		return false // joiners: Persian, Hindi and emoji are written with them
	case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
		return true
	case r == '/', r == '.' && n.layout == MaildirPP:
		return true
	case r == '~' && i > 0 && level[i-1] == '%':
		return true // would read as shortMark
	case n.windows && strings.ContainsRune(onWindows, r):
		return true
	case n.windows && (r == '.' || r == ' ') && i == len(level)-1:
		return true
	}
	return false
}

// ownEscape returns the length of an escape of mailbox.Name at the start of
// text, or 0.
func ownEscape(text string) int {
	switch {
	case strings.HasPrefix(text, "%2F"), strings.HasPrefix(text, "%25"):
		return 3
	case len(text) >= 4 && text[1] == 'x' && isHexDigit(text[2]) && isHexDigit(text[3]):
		return 4
	}
	return 0
}

func isHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// decode is the inverse of encode for names that are not short. It takes any
// name that a folder may have.
func (n naming) decode(disk string) string {
	if n.layout == FS {
		return decodeLevel(disk)
	}
	levels := strings.Split(strings.TrimPrefix(disk, "."), ".")
	for i, level := range levels {
		levels[i] = decodeLevel(level)
	}
	return strings.Join(levels, "/")
}

func decodeLevel(disk string) string {
	if disk == shortMark {
		return ""
	}
	if !strings.Contains(disk, "%") {
		return disk
	}
	var b strings.Builder
	for i := 0; i < len(disk); i++ {
		if disk[i] != '%' || i+2 >= len(disk) {
			b.WriteByte(disk[i])
			continue
		}
		high, low := strings.IndexByte(upperHex, disk[i+1]), strings.IndexByte(upperHex, disk[i+2])
		c := byte(high<<4 | low)
		switch {
		case high < 0 || low < 0:
			b.WriteByte('%')
			continue
		case c == '%':
			b.WriteString("%25")
		case c == '/':
			b.WriteString("%2F")
		default:
			b.WriteByte(c)
		}
		i += 2
	}
	return b.String()
}

// shortOf returns the digits of a name that was shortened, or "".
func shortOf(disk string) string {
	at := len(disk) - shortHash - len(shortMark)
	if at < 0 || disk[at:at+len(shortMark)] != shortMark {
		return ""
	}
	digits := disk[at+len(shortMark):]
	for i := range len(digits) {
		if !isHexDigit(digits[i]) {
			return ""
		}
	}
	return digits
}

// matchesShort reports whether a nameFile's content belongs to the digits.
func matchesShort(content, digits string) bool {
	sum := sha256.Sum256([]byte(content))
	return strings.HasPrefix(fmt.Sprintf("%x", sum), digits)
}

// fold is equal for names that some file system takes for the same one.
func fold(disk string) string {
	return norm.NFD.String(cases.Fold().String(norm.NFD.String(disk)))
}
