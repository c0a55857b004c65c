// Command mailferry syncs, backs up and moves mail between IMAP servers and
// Maildirs.
//
// This package talks to people: it reads the command line, wires the rooms
// together and turns their errors into text, hints and exit codes. Results go
// to stdout, progress and messages to stderr. Nothing here decides about mail.
package main

import "os"

func main() {
	os.Exit(execute(os.Args[1:]))
}
