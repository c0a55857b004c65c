package main

import "mailferry/cmd/internal/config"

// usage is how somebody reads mail.
type usage struct {
	// isPOP3: the server has no folders and takes no changes.
	isPOP3 bool
	// hasOthers: other devices, or the web, show the same mail.
	hasOthers bool
	// isShort: the room on the server is.
	isShort bool
	// changesHere: mail is read, sorted or deleted in the folder on this computer.
	changesHere bool
	// isReadOnly: the server takes no changes.
	isReadOnly bool
}

// advice is a mode, and why.
type advice struct {
	mode string
	// olderThan is the archive's limit.
	olderThan string
	why       string
}

// advise answers the old question, IMAP or POP3?
func advise(u usage) advice {
	switch {
	case u.isShort && u.hasOthers:
		return advice{config.ModeArchive, "90d", "The server is short of room, and other devices read there, too: mail that is older than 90 days moves " +
			"to this computer, and the server keeps what is newer and what is starred. A message leaves the server only once it is proved to be safe here."}
	case u.isShort:
		return advice{config.ModeArchive, "30d", "The server is short of room: mail that is older than 30 days moves to this computer, as with POP3, " +
			"and what is starred stays. A message leaves the server only once it is proved to be safe here."}
	case u.isPOP3:
		return advice{config.ModeBackup, "", "A POP3 server has no folders and takes no changes: its mail is copied to this computer, and nothing is deleted there."}
	case u.isReadOnly:
		return advice{config.ModeBackup, "", "This server takes no changes: its mail is copied to this computer."}
	case u.changesHere:
		return advice{config.ModeSync, "", "Server and computer are kept the same, as with IMAP: what you read, sort or delete on one side is so on the other, " +
			"on all your devices. Deletions that look like an accident are refused until you confirm them."}
	}
	return advice{config.ModeBackup, "", "All mail is copied to this computer, with folders and flags; nothing is ever deleted, here or on the server."}
}

// modeLines says what the modes do.
var modeLines = []struct{ mode, text string }{
	{config.ModeSync, "sync: both sides the same; changes travel in both directions"},
	{config.ModeBackup, "backup: a copy here; the server is never changed"},
	{config.ModeArchive, "archive: old mail moves here, and leaves the server once it is safe"},
}
