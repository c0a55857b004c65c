package state

import (
	"context"
	"fmt"
)

// migrations lead from each version of the schema to the next; the version is
// kept in user_version and in the meta table. The meta table's form, its key
// "version" and its key "sum" are the same in all versions: they tell a newer
// state from a damaged one.
var migrations = []string{
	`CREATE TABLE meta (
		key   TEXT PRIMARY KEY,
		value TEXT NOT NULL
	) WITHOUT ROWID;
	CREATE TABLE mailboxes (
		id              INTEGER PRIMARY KEY,
		name            TEXT NOT NULL UNIQUE,
		remote_messages INTEGER NOT NULL,
		uid_next        INTEGER NOT NULL,
		uid_validity    INTEGER NOT NULL,
		highest_modseq  INTEGER NOT NULL,
		local_cur       INTEGER NOT NULL, -- nanoseconds since 1970
		local_new       INTEGER NOT NULL,
		local_keywords  INTEGER NOT NULL,
		local_taken     INTEGER NOT NULL,
		has_remote      INTEGER NOT NULL,
		has_local       INTEGER NOT NULL,
		links           INTEGER NOT NULL, -- how many
		digest          INTEGER NOT NULL, -- the sum of their sums
		sum             INTEGER NOT NULL
	);
	CREATE TABLE links (
		mailbox  INTEGER NOT NULL,
		id       INTEGER NOT NULL,
		kind     INTEGER NOT NULL,
		uid      INTEGER NOT NULL, -- 0: none
		key      TEXT NOT NULL,    -- '': none
		agreed   TEXT NOT NULL,    -- flags
		remote   TEXT,             -- NULL: as agreed
		local    TEXT,             -- NULL: as agreed
		size     INTEGER NOT NULL, -- octets of the wire form
		hash     BLOB,             -- SHA-256 of the wire form, NULL: not known
		header   BLOB,             -- SHA-256 of its header
		verbatim INTEGER NOT NULL,
		date     INTEGER NOT NULL, -- seconds since 1970
		zone     INTEGER NOT NULL, -- seconds east of UTC
		dated    INTEGER NOT NULL, -- 0: the date is not known
		since    INTEGER NOT NULL, -- UIDNEXT before an upload
		sum      INTEGER NOT NULL,
		PRIMARY KEY (mailbox, id)
	) WITHOUT ROWID;
	CREATE UNIQUE INDEX links_by_uid ON links (mailbox, uid) WHERE uid > 0;
	CREATE TABLE runs (
		id      INTEGER PRIMARY KEY,
		command TEXT NOT NULL,
		started INTEGER NOT NULL, -- milliseconds since 1970
		ended   INTEGER NOT NULL, -- 0: not yet, or killed
		ok      INTEGER NOT NULL,
		error   TEXT NOT NULL,
		summary TEXT NOT NULL,    -- JSON
		sum     INTEGER NOT NULL
	);`,
	// Messages of a server that has no UIDs.
	`CREATE TABLE numbered (
		uid    INTEGER PRIMARY KEY,
		id     TEXT NOT NULL,    -- what the message is known by
		size   INTEGER NOT NULL, -- as the server says
		header BLOB,             -- SHA-256 of its header, NULL: not read yet
		seen   INTEGER NOT NULL, -- seconds since 1970: first seen
		gone   INTEGER NOT NULL, -- seconds since 1970: first missing, 0: there
		sum    INTEGER NOT NULL
	);`,
	// tallyAll fills in the tallies.
	`ALTER TABLE mailboxes ADD COLUMN files INTEGER NOT NULL DEFAULT 0; -- links with a key
	ALTER TABLE mailboxes ADD COLUMN names INTEGER NOT NULL DEFAULT 0; -- the sum of their names' sums
	CREATE INDEX links_odd ON links (mailbox) WHERE kind <> 0 OR uid = 0;`,
	// Copies of a message in other mailboxes are looked for.
	`ALTER TABLE links ADD COLUMN content_id INTEGER; -- the server's name of the octets, NULL: none told
	CREATE INDEX links_by_size ON links (size, date) WHERE kind = 0;
	CREATE INDEX links_by_content ON links (content_id) WHERE kind = 0 AND content_id IS NOT NULL;`,
	`ALTER TABLE links ADD COLUMN unproven INTEGER; -- 1: the server's octets were not compared, NULL: they were`,
}

// migrate runs the steps behind version in one transaction. Its caller writes
// the root in the same transaction.
func (s *Store) migrate(ctx context.Context, version int) error {
	for _, step := range s.migrations[version:] {
		if _, err := s.conn.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("migrate state: %w", fault(err, false))
		}
	}
	_, err := s.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(s.migrations)))
	return fault(err, false)
}

// schemaSum is the checksum of the tables and indexes as SQLite recorded them.
// SQLite's own tables, such as ANALYZE makes, do not count.
func (s *Store) schemaSum(ctx context.Context) (uint64, error) {
	var sum checksum
	const query = `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE substr(name, 1, 7) <> 'sqlite_' ORDER BY name`
	err := s.rows(ctx, query, nil, func(row []any) error {
		sum.add(row)
		return nil
	})
	return sum.value, err
}

func (s *Store) userVersion(ctx context.Context) (int, error) {
	var version int
	err := s.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, fault(err, true)
}
