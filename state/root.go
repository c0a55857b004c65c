package state

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// root is the meta table: what holds the rest together.
type root struct {
	version    int
	uuid       string
	generation int64
	clean      bool
	// The highest ID given away; none is ever used again.
	lastMailbox, lastLink int64
	// mailboxes counts the rows of the table, digest adds up their sums.
	mailboxes int64
	digest    uint64
	schema    uint64
	// numbered counts the rows of that table, numberedDigest adds up their
	// sums; lastUID is the highest that was given, validity their UIDVALIDITY.
	numbered, lastUID, validity int64
	numberedDigest              uint64
}

// numberedSince is the version of the schema that brought numbered messages.
const numberedSince = 2

// added says since which version of the schema the meta table has an entry; in
// an older one it counts as 0.
var added = map[string]int{
	"numbered": numberedSince, "last_uid": numberedSince, "validity": numberedSince, "numbered_digest": numberedSince,
}

func (r root) entries() map[string]string {
	entries := map[string]string{
		"version":      strconv.Itoa(r.version),
		"uuid":         r.uuid,
		"generation":   strconv.FormatInt(r.generation, 10),
		"clean":        strconv.FormatInt(truth(r.clean), 10),
		"last_mailbox": strconv.FormatInt(r.lastMailbox, 10),
		"last_link":    strconv.FormatInt(r.lastLink, 10),
		"mailboxes":    strconv.FormatInt(r.mailboxes, 10),
		"digest":       strconv.FormatUint(r.digest, 16),
		"schema":       strconv.FormatUint(r.schema, 16),

		"numbered":        strconv.FormatInt(r.numbered, 10),
		"last_uid":        strconv.FormatInt(r.lastUID, 10),
		"validity":        strconv.FormatInt(r.validity, 10),
		"numbered_digest": strconv.FormatUint(r.numberedDigest, 16),
	}
	entries["sum"] = sumOf(entries)
	return entries
}

// sumOf covers all entries but the sum itself, unknown ones included.
func sumOf(entries map[string]string) string {
	var sum checksum
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if key != "sum" {
			sum.add([]any{key, entries[key]})
		}
	}
	return strconv.FormatUint(sum.value, 16)
}

func (s *Store) writeRoot(ctx context.Context, r root) error {
	entries := r.entries()
	statement := "INSERT INTO meta (key, value) VALUES (?, ?)" + strings.Repeat(", (?, ?)", len(entries)-1) +
		" ON CONFLICT (key) DO UPDATE SET value = excluded.value"
	args := make([]any, 0, 2*len(entries))
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		args = append(args, key, entries[key])
	}
	return s.exec(ctx, statement, args...)
}

// readRoot reads the meta table. A version above highest is returned with
// nothing else in the root.
func (s *Store) readRoot(ctx context.Context, highest int) (root, error) {
	entries := map[string]string{}
	err := s.rows(ctx, "SELECT key, value FROM meta", nil, func(row []any) error {
		key, _ := row[0].(string)
		value, _ := row[1].(string)
		entries[key] = value
		return nil
	})
	if err != nil {
		return root{}, err
	}
	if entries["sum"] != sumOf(entries) {
		return root{}, damaged("the meta table's checksum does not match")
	}
	for key, version := range added {
		if stored, err := strconv.Atoi(entries["version"]); err == nil && stored < version {
			entries[key] = "0"
		}
	}
	var r root
	if r.version, err = strconv.Atoi(entries["version"]); err != nil {
		return root{}, damaged("the meta table has no version")
	}
	if r.version > highest {
		return root{version: r.version}, nil
	}
	numbers := map[string]*int64{
		"generation": &r.generation, "mailboxes": &r.mailboxes,
		"last_mailbox": &r.lastMailbox, "last_link": &r.lastLink,
		"numbered": &r.numbered, "last_uid": &r.lastUID, "validity": &r.validity,
	}
	for key, number := range numbers {
		if *number, err = strconv.ParseInt(entries[key], 10, 64); err != nil {
			return root{}, damaged("the meta table's %s is not a number", key)
		}
	}
	r.uuid, r.clean = entries["uuid"], entries["clean"] == "1"
	sums := map[string]*uint64{"digest": &r.digest, "schema": &r.schema, "numbered_digest": &r.numberedDigest}
	for key, sum := range sums {
		if *sum, err = strconv.ParseUint(entries[key], 16, 64); err != nil {
			return root{}, damaged("the meta table's checksums are not numbers")
		}
	}
	return r, nil
}
