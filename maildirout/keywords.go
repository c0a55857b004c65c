package maildirout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// keywordsFile says which keywords a folder's letters a to z stand for: lines
// "0 name" to "25 name". Dovecot invented it; others read it, too.
const keywordsFile = "dovecot-keywords"

// parseKeywords reads a keywords file. Lines that are none are skipped.
func parseKeywords(content []byte) *keywordTable {
	table := &keywordTable{}
	for line := range bytes.Lines(content) {
		index, name, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
		i, err := strconv.Atoi(index)
		if !ok || err != nil || i < 0 || i >= len(table.names) || !mailbox.IsKeyword(name) {
			continue
		}
		table.names[i] = name
	}
	return table
}

// table reads the folder's keywords.
func (f *folder) table() (*keywordTable, []byte, error) {
	content, err := readSmall(f.root, keywordsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &keywordTable{}, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", keywordsFile, err)
	}
	return parseKeywords(content), content, nil
}

// Keep returns those of flags that the folder can hold, and gives letters to
// keywords that have none yet, as long as there are any.
func (s *Store) Keep(ctx context.Context, name mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error) {
	f, err := s.openFolder(name)
	if err != nil {
		return mailbox.Flags{}, err
	}
	defer f.close()
	table, err := s.makeRoom(ctx, f, flags)
	if err != nil {
		return mailbox.Flags{}, fmt.Errorf("folder %s: %w", name, err)
	}
	return table.keep(flags), nil
}

// keep returns those of flags that have a letter.
func (t *keywordTable) keep(flags mailbox.Flags) mailbox.Flags {
	var names []string
	for _, flag := range flags.Names() {
		if t.letterOf(flag) != 0 {
			names = append(names, flag)
		}
	}
	return mailbox.NewFlags(names...)
}

// makeRoom returns the folder's keywords after giving letters to those of
// flags that have none.
func (s *Store) makeRoom(ctx context.Context, f *folder, flags mailbox.Flags) (*keywordTable, error) {
	table, _, err := f.table()
	if err != nil || table.keep(flags).Equal(flags) {
		return table, err
	}
	s.keywords.Lock()
	defer s.keywords.Unlock()
	table, content, err := f.table()
	if err != nil || table.keep(flags).Equal(flags) {
		return table, err
	}
	used, err := s.lettersInUse(ctx, f)
	if err != nil {
		return nil, err
	}
	added := false
	for _, keyword := range flags.Minus(table.keep(flags)).Keywords() {
		i := table.free(used)
		if i < 0 {
			break
		}
		table.names[i] = keyword
		if len(content) > 0 && content[len(content)-1] != '\n' {
			content = append(content, '\n')
		}
		content = append(content, fmt.Sprintf("%d %s\n", i, keyword)...)
		added = true
	}
	if !added {
		return table, nil
	}
	if err := s.replace(f, keywordsFile, content); err != nil {
		return nil, fmt.Errorf("write %s: %w", keywordsFile, err)
	}
	return table, nil
}

// free returns a letter's index, or -1. A letter that file names have already,
// though the keywords file was lost, would give a message a keyword that
// nobody gave it.
func (t *keywordTable) free(used uint32) int {
	for i, name := range t.names {
		if name == "" && used&(1<<i) == 0 {
			return i
		}
	}
	return -1
}

// replace writes a small file of a folder, whole or not at all, durably.
func (s *Store) replace(f *folder, name string, content []byte) error {
	key, err := s.keys.next()
	if err != nil {
		return err
	}
	draft := "tmp/" + draftName(key)
	file, err := createFile(f.root, draft)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = f.root.Rename(draft, name)
	}
	if err != nil {
		f.root.Remove(draft)
		return err
	}
	return s.syncFolder(f, ".")
}
