package maildirout

import (
	"slices"
	"strings"

	"github.com/emersion/go-maildir"

	"mailferry/syncer/mailbox"
)

// letterFlags are Maildir's own letters; a to z are keywords.
var letterFlags = [...]struct {
	letter byte
	flag   string
}{
	{byte(maildir.FlagDraft), mailbox.FlagDraft},
	{byte(maildir.FlagFlagged), mailbox.FlagFlagged},
	{byte(maildir.FlagPassed), mailbox.FlagForwarded},
	{byte(maildir.FlagReplied), mailbox.FlagAnswered},
	{byte(maildir.FlagSeen), mailbox.FlagSeen},
	{byte(maildir.FlagTrashed), mailbox.FlagDeleted},
}

// file is a message's file as a listing found it.
type file struct {
	name  string
	key   int32 // length of the key, which begins the name
	inNew bool
}

func newFile(name string, inNew bool) file {
	length := strings.IndexByte(name, separator)
	if length < 0 {
		length = len(name)
	}
	return file{name: name, key: int32(length), inNew: inNew}
}

func (f file) keyText() string { return f.name[:f.key] }

func (f file) sub() string {
	if f.inNew {
		return "new"
	}
	return "cur"
}

// info splits the part behind the key: the letters, and whatever follows
// behind a further comma, with the comma. Both are empty for a file without
// "2,": delivered by another program, or with the experimental "1,".
func (f file) info() (letters, tail string) {
	rest := f.name[f.key:]
	if len(rest) < 3 || rest[1:3] != "2," {
		return "", ""
	}
	rest = rest[3:]
	if i := strings.IndexByte(rest, ','); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

// keywordTable is what a folder's keywords file says: names[0] is letter a.
type keywordTable struct{ names [26]string }

// flagOf returns the flag that a letter stands for, or "".
func (t *keywordTable) flagOf(letter byte) string {
	if 'a' <= letter && letter <= 'z' {
		return t.names[letter-'a']
	}
	for _, known := range letterFlags {
		if known.letter == letter {
			return known.flag
		}
	}
	return ""
}

// letterOf returns the letter of a flag, or 0.
func (t *keywordTable) letterOf(flag string) byte {
	for _, known := range letterFlags {
		if strings.EqualFold(known.flag, flag) {
			return known.letter
		}
	}
	for i, name := range t.names {
		if strings.EqualFold(name, flag) {
			return byte('a' + i)
		}
	}
	return 0
}

// flags returns what letters stand for. Letters of no known meaning are none.
func (t *keywordTable) flags(letters string) mailbox.Flags {
	if letters == "" {
		return mailbox.Flags{}
	}
	names := make([]string, 0, len(letters))
	for i := range len(letters) {
		names = append(names, t.flagOf(letters[i]))
	}
	return mailbox.NewFlags(names...)
}

// letters returns the letters for want, sorted, keeping those of old whose
// meaning is not known, and the flags that they stand for.
func (t *keywordTable) letters(old string, want mailbox.Flags) (string, mailbox.Flags) {
	var letters []byte
	for i := range len(old) {
		if flag := t.flagOf(old[i]); flag == "" || want.Has(flag) {
			letters = append(letters, old[i])
		}
	}
	covered := t.flags(string(letters))
	for _, flag := range want.Minus(covered).Names() {
		if letter := t.letterOf(flag); letter != 0 {
			letters = append(letters, letter)
		}
	}
	slices.Sort(letters)
	letters = slices.Compact(letters)
	return string(letters), t.flags(string(letters))
}

// unknown returns those letters whose meaning is not known.
func (t *keywordTable) unknown(letters string) string {
	var rest []byte
	for i := range len(letters) {
		if t.flagOf(letters[i]) == "" {
			rest = append(rest, letters[i])
		}
	}
	return string(rest)
}

// messageName composes a file name for cur.
func messageName(key, letters, tail string) string {
	return key + string(separator) + "2," + letters + tail
}
