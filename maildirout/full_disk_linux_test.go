package maildirout

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"mailferry/syncer/mailbox"
)

// TestFullDiskLeavesNoTruncatedMessage needs the right to mount.
func TestFullDiskLeavesNoTruncatedMessage(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	create(t, s, "INBOX")
	ctx := context.Background()
	kept := deliver(t, s, "INBOX", "a: b\r\n\r\n")
	// The last octet of the second one makes it be written anew, verbatim.
	for _, body := range []string{strings.Repeat("x", 2<<20), strings.Repeat("x", 700<<10) + "\n"} {
		_, err := s.Receive(ctx, "INBOX", int64(len(body)), strings.NewReader(body))
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "octets free") {
			t.Error(err)
		}
		if left := filesBelow(t, dir+"/INBOX/tmp"); len(left) != 0 {
			t.Error(left)
		}
	}
	if err := os.WriteFile(dir+"/filler", make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if _, err := s.Keep(ctx, "INBOX", mailbox.NewFlags("Work")); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if got := listed(t, s, "INBOX"); len(got) != 1 || wireOf(t, s, "INBOX", kept) != "a: b\r\n\r\n" {
		t.Error(got)
	}
	if files := filesBelow(t, dir+"/INBOX"); len(files) != 1 {
		t.Error(files)
	}
}
