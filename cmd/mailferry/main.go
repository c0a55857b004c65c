// Command mailferry syncs, backs up and moves mail between IMAP servers and
// Maildirs.
//
// This package talks to people: it reads the command line, wires the rooms
// together and turns their errors into text, hints and exit codes. Results go
// to stdout, progress and messages to stderr. Nothing here decides about mail.
package main

import (
	"os"
	"runtime/debug"
)

// gcPercent trades a little time for memory: what lives longest in a run is a
// few dozen octets a message, and collecting it more often costs next to
// nothing beside the disk.
const gcPercent = 25

func main() {
	protectMemory()
	debug.SetGCPercent(gcPercent)
	os.Exit(execute(os.Args[1:]))
}
