// Package state keeps what both sides last agreed on.
//
// A store's control folder holds
//
//	store.json   the marker: what store this is, and of which account
//	lock         held with flock while a run is at work; names its process
//	state.db     the links and checkpoints, in SQLite, with the last runs
//	generation   how many changes state.db has seen
//	archived     which contents an archive took from the server
//
// and the machine's own folder of notes holds one small file for each store,
// which says that it was made, so that an unmounted disk is not taken for an
// empty one.
//
// What is read is either exactly what was written or ErrDamaged. Every row
// carries a checksum, a mailbox's row the sum of its links' checksums, and the
// meta table the sum of the mailboxes'. A row that is lost, doubled, stale or
// altered is therefore noticed when the rows around it are read. The generation
// is raised by every change and written beside the database after the change
// is durable, so a database that is behind it was restored from a backup or
// lost its end.
package state
