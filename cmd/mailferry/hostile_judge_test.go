package main

import (
	"maps"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// judge says whether a run against a hostile server kept the rules.
type judge struct {
	*arena
	h       hostile
	command string
	// before are the files before the run, boxes the server's mail.
	before map[string]string
	boxes  map[string]*synctest.RogueMailbox
	o      outcome
}

// isHit reports whether the command meets what is odd.
func (j *judge) isHit() bool { return j.h.in == "" || strings.Contains(j.h.in, j.command) }

// costs is what the command may have lost.
func (j *judge) costs() cost {
	if !j.isHit() {
		return costNothing
	}
	return j.h.cost
}

// check judges the run against the hostile server.
func (j *judge) check() {
	j.t.Helper()
	j.leaks(j.o)
	if r := raw(j.o.stdout + j.o.stderr); r != "" {
		j.t.Errorf("%s reaches the terminal:\n%s\n%s", r, j.o.stdout, j.o.stderr)
	}
	if j.o.peak > hostileMemory {
		j.t.Errorf("%d MB of memory", j.o.peak>>20)
	}
	if strings.Contains(j.o.stderr, "goroutine ") || j.o.code == 2 {
		j.t.Errorf("it crashed: %s", j.o.stderr)
	}
	j.checkEnd()
	j.checkCommands()
	j.checkServer()
	j.checkDisk()
	if j.costs() != costRun {
		j.checkArrived(j.h.lost)
	}
}

// checkEnd judges the exit code and what the user is told.
func (j *judge) checkEnd() {
	j.t.Helper()
	switch ends := j.h.ends; {
	case j.isHit() && ends != nil:
		if !slices.Contains(ends, j.o.code) {
			j.t.Errorf("exit code %d, want one of %v\n%s", j.o.code, ends, j.o.stderr)
		}
	case (j.o.code == exitDone) != (j.costs() == costNothing):
		j.t.Errorf("exit code %d\n%s\n%s", j.o.code, j.o.stdout, j.o.stderr)
	}
	if j.costs() != costNothing && j.o.code != exitDone {
		j.o.tb = j.t
		j.o.says(append([]string{"error:", "hint:"}, j.h.says...)...)
	}
	if s := j.o.summary; s.ExitCode != j.o.code && s.Error == "" {
		j.t.Errorf("the summary says exit code %d, the process %d", s.ExitCode, j.o.code)
	}
}

// checkCommands judges what was sent to the server.
func (j *judge) checkCommands() {
	j.t.Helper()
	for _, call := range j.rogue.Calls() {
		switch call.Verb {
		case "EXPUNGE", "CLOSE", "DELETE", "RENAME":
			j.t.Errorf("the program said %s %s", call.Verb, call.Args)
		case "SELECT", "UID STORE", "UID EXPUNGE", "APPEND", "CREATE", "UID COPY", "UID MOVE", "SUBSCRIBE":
			if j.command == "backup" {
				j.t.Errorf("a backup said %s %s", call.Verb, call.Args)
			}
		}
		if call.Verb == "UID EXPUNGE" || call.Verb == "UID STORE" && strings.Contains(call.Args, `+FLAGS.SILENT (\Deleted)`) {
			j.checkEarned(call)
		}
	}
}

// checkEarned judges a command that marks or expunges.
func (j *judge) checkEarned(call synctest.Call) {
	j.t.Helper()
	set, err := mailbox.ParseUIDSet(strings.Fields(call.Args)[0])
	box := j.boxes[call.Mailbox]
	if err != nil || box == nil {
		j.t.Errorf("%s in %q: %s", call.Verb, call.Mailbox, call.Args)
		return
	}
	disk := j.contents()
	for uid := range set.All() {
		if m := box.Find(uint32(uid)); m == nil || !j.isEarned(disk, m.Octets) {
			j.t.Errorf("%s %s in %s is not earned for %d", call.Verb, call.Args, call.Mailbox, uid)
		}
	}
}

// isEarned reports whether a message may go from the server.
func (j *judge) isEarned(disk map[string]int, octets string) bool {
	label := labelOf([]byte(octets))
	if slices.Contains(j.h.kept, label) {
		return false
	}
	return j.command == "sync" && (label == "good4" || label == "odd4") || j.command == "archive" && disk[octets] > 0
}

func (j *judge) contents() map[string]int {
	found := map[string]int{}
	for _, octets := range j.files() {
		found[octets]++
	}
	return found
}

// onRogue counts the messages in all mailboxes.
func onRogue(boxes map[string]*synctest.RogueMailbox) map[string]int {
	found := map[string]int{}
	for _, box := range boxes {
		for _, m := range box.Messages {
			found[m.Octets]++
		}
	}
	return found
}

// checkServer: what is gone from the server was earned.
func (j *judge) checkServer() {
	j.t.Helper()
	disk, now := j.contents(), onRogue(j.rogue.Mailboxes())
	for octets, n := range onRogue(j.boxes) {
		if now[octets] < n && !j.isEarned(disk, octets) {
			j.t.Errorf("%s is gone from the server\n%s", labelOf([]byte(octets)), j.o.stdout)
		}
		if now[octets] > n {
			j.t.Errorf("%s is on the server %d times\n%s", labelOf([]byte(octets)), now[octets], j.o.stdout)
		}
	}
}

// checkDisk: what is gone from the disk is gone from the server.
func (j *judge) checkDisk() {
	j.t.Helper()
	disk := j.contents()
	for _, octets := range j.before {
		label := labelOf([]byte(octets))
		if disk[octets] == 0 && !(j.command == "sync" && (label == "good2" || label == "odd2")) {
			j.t.Errorf("%s is gone from the disk\n%s", label, j.o.stdout)
		}
	}
	truth := onRogue(j.boxes)
	for octets, n := range disk {
		if j.h.scar == "" && n > max(truth[octets], 1) {
			j.t.Errorf("%s is on disk %d times", labelOf([]byte(octets)), n)
		}
	}
}

// checkArrived: everything is where it should be but what may be lost.
func (j *judge) checkArrived(lost []string) {
	j.t.Helper()
	disk, server := j.contents(), onRogue(j.rogue.Mailboxes())
	missing := func(where, octets string) {
		if label := labelOf([]byte(octets)); !slices.Contains(lost, label) {
			j.t.Errorf("%s is not %s\n%s\n%s", label, where, j.o.stdout, j.o.stderr)
		}
	}
	truth := onRogue(j.boxes)
	for _, octets := range slices.Sorted(maps.Keys(truth)) {
		label := labelOf([]byte(octets))
		deleted := j.command == "sync" && (label == "good4" || label == "odd4")
		if disk[octets] == 0 && !deleted {
			missing("on disk", octets)
		}
		if server[octets] > 0 && (deleted || j.command == "archive" && !slices.Contains(j.h.kept, label)) {
			missing("gone from the server", octets)
		}
	}
	if j.command != "sync" {
		return
	}
	for _, label := range []string{"good up", "odd up"} {
		if octets := string(letter(label)); server[octets] != 1 {
			missing("on the server", octets)
		}
	}
}

// checkLater judges the run against the honest server that follows.
func (j *judge) checkLater() {
	j.t.Helper()
	if later := j.h.later; j.h.scar == "" && later == nil && j.o.code != exitDone || later != nil && !slices.Contains(later, j.o.code) {
		j.t.Errorf("then exit code %d\n%s\n%s", j.o.code, j.o.stdout, j.o.stderr)
	}
	j.h.kept = nil
	j.checkServer()
	j.checkDisk()
	if j.h.scar == "" {
		j.checkArrived(nil)
	}
}
