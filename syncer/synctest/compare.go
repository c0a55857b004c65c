package synctest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// Compare tells how a Maildir tree on disk differs from what a server has: in
// mailboxes, messages to the octet, flags, and dates to the second. No
// message is matched by anything but its octets.
func Compare(tb testing.TB, server Snapshot, dir string) {
	tb.Helper()
	for _, difference := range Differences(tb, server, dir) {
		tb.Error(difference)
	}
}

// Differences is Compare without a verdict: one line for each difference.
func Differences(tb testing.TB, server Snapshot, dir string) []string {
	tb.Helper()
	tree := OpenMaildir(tb, dir)
	var differences []string
	folders := tree.Names()
	for _, name := range folders {
		if _, found := server[name]; !found {
			differences = append(differences, fmt.Sprintf("folder %s: the server has no such mailbox", name))
		}
	}
	for name, messages := range server {
		if !slices.Contains(folders, name) {
			differences = append(differences, fmt.Sprintf("mailbox %s: no such folder", name))
			continue
		}
		differences = append(differences, compareFolder(name, messages, tree.raw(name))...)
	}
	slices.Sort(differences)
	return differences
}

// raw is Files with the octets as they lie on disk.
func (m *Maildir) raw(name mailbox.Name) []File {
	m.tb.Helper()
	files := m.Files(name)
	for i := range files {
		octets, err := os.ReadFile(m.find(name, files[i].Key))
		if err != nil {
			m.tb.Fatalf("mail reader: %v", err)
		}
		files[i].Octets = octets
	}
	return files
}

// compareFolder pairs each message with a file that says the same. Of files
// with the same octets the one with the right flags and date is taken first,
// so that identical messages count as often as they are there.
func compareFolder(name mailbox.Name, messages []Hashed, files []File) []string {
	var differences []string
	stored := map[string][]File{}
	for _, file := range files {
		stored[string(file.Octets)] = append(stored[string(file.Octets)], file)
	}
	for _, message := range messages {
		octets := string(onDisk(message.Octets))
		candidates := stored[octets]
		if len(candidates) == 0 {
			differences = append(differences, fmt.Sprintf("%s: uid %d: no file with its %d octets (%s...)", name, message.UID, len(message.Octets), message.Hash.String()[:12]))
			continue
		}
		best := slices.IndexFunc(candidates, func(f File) bool { return describe(f.Flags, f.Date) == describe(message.Flags, message.Date) })
		best = max(best, 0)
		file := candidates[best]
		if got, want := describe(file.Flags, file.Date), describe(message.Flags, message.Date); got != want {
			differences = append(differences, fmt.Sprintf("%s: uid %d, file %s: %s on disk, %s on the server", name, message.UID, file.Key, got, want))
		}
		stored[octets] = slices.Delete(candidates, best, best+1)
	}
	for _, left := range stored {
		for _, file := range left {
			differences = append(differences, fmt.Sprintf("%s: file %s: the server has no such message", name, file.Key))
		}
	}
	return differences
}

// onDisk is a message as a Maildir holds it. (DESIGN: rule 9)
func onDisk(octets []byte) []byte {
	if isCRLF(octets) {
		return bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n"))
	}
	return octets
}

// describe is what must agree besides the octets. The mtime has no zone.
func describe(flags mailbox.Flags, date mailbox.Date) string {
	return fmt.Sprintf("(%s) %d", strings.ToLower(flags.String()), date.Unix)
}

// Plant puts a file into a user's mail behind the server's back, as it lies on
// disk. Only servers that keep mail as a Maildir have it.
func (u *User) Plant(name mailbox.Name, base string, octets []byte) {
	u.tb.Helper()
	if u.Maildir == "" {
		u.tb.Fatalf("%s keeps no Maildir", u.Server.Product)
	}
	// Looking at it makes the server create the folder, as its own user; the
	// file must be that user's, too.
	u.Messages(name)
	path := filepath.Join(NewMaildir(u.tb, u.Maildir, true).Path(name), "cur", base)
	err := os.WriteFile(path, octets, 0o666)
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(path, mailUID, mailUID)
	}
	if err != nil {
		u.tb.Fatal(err)
	}
}
