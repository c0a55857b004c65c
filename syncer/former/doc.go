// Package former takes over what mbsync and offlineimap remember.
//
//	mbsyncstate.go, localstatus.go   the files in which they remember it
//	mbsyncrc.go, offlineimaprc.go    their configurations
//	mbsync.go, offlineimap.go        where the files are, and what they are about
//	match.go                         which of it is still true: a pure function
//	account.go, translate*.go        their configurations as one of ours
//
// Nothing is believed of these files that server and disk do not confirm now: a
// message counts as being on both sides only where a file and a message are
// there and are the same. What is not confirmed is left to the engine, which
// compares by content and deletes nothing for it.
package former
