package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// fingerprint is everything below a folder: names, modes, mtimes, octets.
func fingerprint(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %s %d", path, info.Mode(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			octets, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(octets))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDryRunChangesNothing(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	for _, layout := range []string{layoutFS, layoutMaildirPP} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layout)
			populate(onServer{w})
			before := fingerprint(t, w.home)
			if o := w.sync("--dry-run").exits(exitDone); o.summary.Downloaded != 10 {
				t.Errorf("10 messages are to be downloaded: %+v", o.summary)
			}
			w.isAsBefore(before)
			w.sync().exits(exitDone)
			onServer{w}.add(inbox, "x")
			onServer{w}.expunge(inbox, "a")
			onServer{w}.flag(inbox, "b", "+", flagged)
			w.user.Rename(sub, "Elsewhere")
			onDisk{w}.add(work, "y")
			onDisk{w}.remove(work, "w1")
			onDisk{w}.flag(work, "w2", flagged)
			onDisk{w}.create("Neu")
			want := expectationOf(t, w.user.Snapshot())
			before = fingerprint(t, w.home)
			for _, command := range []string{"sync", "backup", "sync"} {
				o := w.transfer(command, "--dry-run").exits(exitDone)
				if o.summary.changes() == (summary{}) {
					t.Errorf("%s plans nothing", command)
				}
				w.isAsBefore(before)
			}
			w.untouched(want)
		})
	}
}

func (w *world) isAsBefore(before string) {
	w.t.Helper()
	after := fingerprint(w.t, w.home)
	if after == before {
		return
	}
	old := strings.Split(before, "\n")
	for line := range strings.Lines(after) {
		if !slices.Contains(old, strings.TrimSuffix(line, "\n")) {
			w.t.Errorf("changed: %s", line)
		}
	}
	w.t.Error("a dry run changed the disk")
}

// start begins a run and waits until it has put files on disk.
func (w *world) start(ctx context.Context, stdout, stderr *bytes.Buffer, args ...string) *exec.Cmd {
	w.t.Helper()
	cmd := w.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(w.disk.Path(inbox), "*", "*")); len(found) > 0 {
			return cmd
		}
	}
	_ = cmd.Process.Kill()
	w.t.Fatalf("no file arrived: %s", stderr.String())
	return nil
}

func TestInterruptedRunKeepsWhatItReceivedAndLocksOutOthers(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	for i := range 40 {
		onServer{w}.add(inbox, fmt.Sprintf("long %d", i))
	}
	want := expectationOf(t, w.user.Snapshot())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := w.start(ctx, &stdout, &stderr, "backup", "--json", "--connections=1", "--bwlimit=60k", w.url(), w.disk.Dir)
	for _, command := range []string{"backup", "sync"} {
		w.transfer(command).exits(exitLocked).says("hint:")
	}
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the interrupted run took another %s", took)
	}
	o := outcomeOf(t, cmd, stdout.Bytes(), stderr.String()).exits(exitInterrupted).says("hint:")
	again := w.backup().exits(exitDone)
	if o.summary.Downloaded+again.summary.Downloaded != 40 || o.summary.Downloaded == 0 {
		t.Errorf("%d messages, then %d: what was received has to be kept", o.summary.Downloaded, again.summary.Downloaded)
	}
	w.intact(want)
}

// inNamespace runs a shell script in a mount namespace of its own, where a
// small or read-only disk can be mounted without leaving anything behind.
func (w *world) inNamespace(script string) outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "-rm", "sh", "-c", script)
	cmd.Env, cmd.Dir = append(w.environment(), "FERRY="+w.binary, "URL="+w.url(), "STORE="+w.disk.Dir), w.home
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && ctx.Err() != nil {
		w.t.Fatalf("%v\n%s", err, stderr.String())
	}
	return outcomeOf(w.t, cmd, stdout.Bytes(), stderr.String())
}

func TestFullDiskLosesNothingAndSaysWhatIsMissing(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	w.user.Create(work)
	for i := range 60 {
		text := append(letter(fmt.Sprintf("m%d", i)), bytes.Repeat([]byte("0123456789012345678901234567890123456789\r\n"), 2000)...)
		w.user.Append([]mailbox.Name{inbox, work}[i%2], mailbox.NewFlags(seen), someDate, text)
	}
	hashes := map[[32]byte]bool{}
	for _, messages := range w.user.Snapshot() {
		for _, m := range messages {
			hashes[m.Hash] = true
		}
	}
	if err := os.Mkdir(w.disk.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// The same disk, full twice and then larger; what it holds after the
	// first run and at the end is copied out of the namespace.
	o := w.inNamespace(`mount -t tmpfs -o size=3m tmpfs "$STORE" || exit 99
"$FERRY" backup "$URL" "$STORE"; echo "first $?"
cp -a "$STORE" after-first
"$FERRY" backup "$URL" "$STORE" 2>/dev/null; echo "second $?"
mount -o remount,size=30m "$STORE" || exit 98
"$FERRY" backup "$URL" "$STORE"; code=$?
cp -a "$STORE" after-last
exit $code`)
	o.exits(exitDone).says("no space left", "hint:", "make room on the disk")
	if !strings.Contains(o.stdout, "first 1\n") || !strings.Contains(o.stdout, "second 1\n") {
		t.Errorf("a run on a full disk ended well: %s", o.stdout)
	}
	if !strings.Contains(o.stderr, "still to come") {
		t.Errorf("nobody is told how much is missing: %s", o.stderr)
	}
	first := synctest.OpenMaildir(t, filepath.Join(w.home, "after-first"))
	kept := 0
	for _, name := range first.Names() {
		for _, file := range first.Files(name) {
			kept++
			if !hashes[sha256.Sum256(file.Octets)] {
				t.Errorf("%s: %s is no message of the server: it was cut short", name, file.Key)
			}
		}
	}
	t.Logf("%d of 60 messages fitted", kept)
	if kept == 0 || kept == 60 {
		t.Errorf("%d of 60 messages fitted on the small disk", kept)
	}
	w.disk.Dir = filepath.Join(w.home, "after-last")
	w.same()
}

// TestArchiveOnAFullDiskDeletesOnlyWhatIsSafe: the disk fills up while mail
// arrives, then while the archive notes what it is about to delete.
func TestArchiveOnAFullDiskDeletesOnlyWhatIsSafe(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	var want []string
	for i := range 40 {
		text := append(letter(fmt.Sprintf("m%d", i)), bytes.Repeat([]byte("0123456789012345678901234567890123456789\r\n"), 2000)...)
		w.user.Append(inbox, mailbox.NewFlags(seen), someDate, text)
		want = append(want, string(text))
	}
	if err := os.Mkdir(w.disk.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// First there is room for half of it. Then all is there, and what is left
	// of the disk is taken away before the archive has anything to write.
	o := w.inNamespace(`mount -t tmpfs -o size=2m tmpfs "$STORE" || exit 99
"$FERRY" archive --older-than 30d "$URL" "$STORE"; echo "first $?"
cp -a "$STORE" after-first
mount -o remount,size=30m "$STORE" || exit 98
"$FERRY" backup "$URL" "$STORE" || exit 97
head -c 40m /dev/zero >"$STORE/filler" 2>/dev/null
"$FERRY" archive --older-than 30d "$URL" "$STORE"; echo "second $?"
rm "$STORE/filler"
cp -a "$STORE" after-second
exit 0`)
	o.says("no space left", "hint:", "make room on the disk")
	if !strings.Contains(o.stdout, "first 1\n") || !strings.Contains(o.stdout, "second 1\n") {
		t.Errorf("a run on a full disk ended well: %s", o.stdout)
	}
	left := w.lettersOnServer()
	if len(left) != len(want) {
		t.Logf("%d of %d messages are left on the server", len(left), len(want))
	}
	w.disk.Dir = filepath.Join(w.home, "after-second")
	disk := w.lettersOnDisk()
	for i, text := range want {
		if left[text] == 0 && disk[text] != 1 {
			t.Errorf("letter %d is lost", i)
		}
	}
	// With room, the archive ends where it would have, on the store as it is.
	w.transfer("archive", "--older-than=30d").exits(exitDone)
	if left := w.lettersOnServer(); len(left) != 0 {
		t.Errorf("%d messages are left on the server", len(left))
	}
	if disk := w.lettersOnDisk(); len(disk) != len(want) {
		t.Errorf("%d messages on disk", len(disk))
	}
}

func TestReadOnlyDiskIsReported(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w, want := bereave(t, server, 3)
	onServer{w}.add(inbox, "x")
	onServer{w}.expunge(inbox, "a")
	want.add(inbox, "x")
	want.gone(inbox, "a")
	for _, command := range []string{"sync", "backup"} {
		o := w.inNamespace(`mount --bind "$STORE" "$STORE" && mount -o remount,bind,ro "$STORE" || exit 99
exec "$FERRY" ` + command + ` "$URL" "$STORE"`)
		o.exits(exitFailed).says("read-only", "hint:")
	}
	// To look needs no right to write: there is a new message and a deletion.
	for command, code := range map[string]int{
		`sync "$URL" "$STORE" --dry-run`: exitDone, `backup "$URL" "$STORE" --dry-run`: exitDone,
		`verify "$STORE"`: exitDifferent, `verify "$STORE" --offline`: exitDone,
		`export "$STORE" --format mbox "$HOME/exported"`: exitDone, `status "$STORE"`: exitDone, `undo "$STORE" --dry-run`: exitDone,
	} {
		w.inNamespace(`mount --bind "$STORE" "$STORE" && mount -o remount,bind,ro "$STORE" || exit 99
exec "$FERRY" ` + command).exits(code)
	}
	w.untouched(want)
	w.sync().exits(exitDone)
	w.intact(want)
}
