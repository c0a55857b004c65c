package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// crashWorld is an account on a Dovecot that serves a folder of its own through
// a tunnel, and a store on a crashDisk. All of it is in one folder, so that it
// can be set back to where a run began, any number of times.
//
//	now/     what there is: disk/ (store and machine's notes), server/
//	start/   a copy of now/ from before the run
//	mnt/     now/disk through the crashDisk
type crashWorld struct {
	t      *testing.T
	dir    string
	binary string
	// mayHang: a run that does not end within 20 s is one that failed.
	mayHang bool
	// point is where the program sees now/disk; disk is what is mounted there,
	// or nil.
	point string
	disk  *crashDisk
	// strace is the file that barriers are written to, or "".
	strace string
	// front is a server on a socket, or nil. ended is called when the program
	// has ended, before the front's servers are waited for.
	front *mailFront
	ended func()
	// env has more variables for the program.
	env []string
	// server, other and reader are other programs at work on the servers and on
	// disk. A server's mail is a Maildir too, and Dovecot notices what changes.
	server, other, reader *synctest.Maildir
}

// standaloneIMAP is Dovecot's server for one connection on stdin and stdout.
const standaloneIMAP = "/usr/lib/dovecot/imap"

func newCrashWorld(t *testing.T) *crashWorld {
	t.Helper()
	w := newServedWorld(t)
	w.point = filepath.Join(w.dir, "mnt")
	w.ok(os.Mkdir(w.point, 0o755))
	w.configure(func(name string) string {
		return "tunnel = [" + strconv.Quote(standaloneIMAP) + ", \"-c\", " + strconv.Quote(w.serverConfig(name)) + "]"
	})
	return w
}

// newServedWorld is a crashWorld without a crashDisk and without a
// configuration, but with the servers' own.
func newServedWorld(t *testing.T) *crashWorld {
	t.Helper()
	if _, err := os.Stat(standaloneIMAP); err != nil {
		t.Fatalf("tests need Dovecot (apt-get install dovecot-imapd): %v", err)
	}
	// Not t.TempDir: the server's own user has to get there. In memory where
	// that can be had: a thousand copies need no disk.
	memory := "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		memory = ""
	}
	dir, err := os.MkdirTemp(memory, "mailferry-crash-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &crashWorld{
		t: t, dir: dir, binary: builtProgram(t), ended: func() {},
		server: synctest.NewMaildir(t, filepath.Join(dir, "now", "server"), true),
		other:  synctest.NewMaildir(t, filepath.Join(dir, "now", "other"), true),
		reader: synctest.NewMaildir(t, filepath.Join(dir, "now", "disk", "mail"), false),
	}
	if err := os.Chmod(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.point = filepath.Join(dir, "now", "disk")
	for _, name := range []string{"now/disk", "now/server", "now/other", "config/mailferry", "tmp"} {
		w.ok(os.MkdirAll(filepath.Join(w.dir, name), 0o755))
	}
	for _, name := range []string{"server", "other"} {
		text := fmt.Sprintf("log_path=/dev/null\nmail_location=maildir:%s\nssl=no\nmail_uid=%d\nmail_gid=%d\nfirst_valid_uid=1\n",
			filepath.Join(w.dir, "now", name), serverUID(), serverUID())
		w.ok(os.WriteFile(w.serverConfig(name), []byte(text), 0o644))
	}
	w.ownServer()
	return w
}

// serverConfig is the path of a server's configuration.
func (w *crashWorld) serverConfig(name string) string { return filepath.Join(w.dir, name+".conf") }

// usePOP3 has the program reach its servers over POP3.
func (w *crashWorld) usePOP3() {
	w.t.Helper()
	w.front = newMailFront(w.t, true, w.serverConfig)
	w.configure(func(server string) string { return `url = "pop3+plain://` + server + "@" + w.front.addr + `"` })
}

// configure writes the program's configuration; reach is the line that says how
// a server is reached.
func (w *crashWorld) configure(reach func(server string) string) {
	w.t.Helper()
	text := "[accounts.home]\nstore = " + strconv.Quote(w.store()) + "\n" + reach("server") +
		"\n[accounts.other]\nstore = " + strconv.Quote(filepath.Join(w.point, "other")) + "\n" + reach("other") + "\n"
	w.ok(os.WriteFile(filepath.Join(w.dir, "config", "mailferry", "config.toml"), []byte(text), 0o600))
}

// serverUID owns the server's mail: Dovecot refuses to serve root's.
func serverUID() int {
	if uid := os.Geteuid(); uid != 0 {
		return uid
	}
	return 5000
}

func (w *crashWorld) store() string { return filepath.Join(w.point, "mail") }

// folder makes a mailbox on the server or a folder on disk.
func (w *crashWorld) folder(m *synctest.Maildir, name mailbox.Name) {
	w.t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(m.Path(name), sub), 0o700); err != nil {
			w.t.Fatal(err)
		}
	}
	if m.PlusPlus && name != mailbox.Inbox {
		if err := os.WriteFile(filepath.Join(m.Path(name), "maildirfolder"), nil, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.ownServer()
}

// ownServer gives the server what is its own.
func (w *crashWorld) ownServer() {
	if os.Geteuid() == 0 {
		w.must(exec.Command("chown", "-R", "5000:5000", filepath.Join(w.dir, "now", "server"), filepath.Join(w.dir, "now", "other")))
	}
}

func (w *crashWorld) must(cmd *exec.Cmd) {
	w.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// keep remembers how things are; reset brings them back.
func (w *crashWorld) keep() {
	w.t.Helper()
	w.ownServer()
	w.must(exec.Command("rm", "-rf", filepath.Join(w.dir, "start")))
	w.must(exec.Command("cp", "-a", filepath.Join(w.dir, "now"), filepath.Join(w.dir, "start")))
}

func (w *crashWorld) reset() {
	w.t.Helper()
	w.must(exec.Command("rm", "-rf", filepath.Join(w.dir, "now")))
	w.must(exec.Command("cp", "-a", filepath.Join(w.dir, "start"), filepath.Join(w.dir, "now")))
}

// mounted does something while the crashDisk is there.
func (w *crashWorld) mounted(do func()) {
	w.t.Helper()
	if w.point == filepath.Join(w.dir, "now", "disk") {
		do()
		return
	}
	w.disk = mountCrashDisk(w.t, filepath.Join(w.dir, "now", "disk"), w.point)
	defer w.disk.unmount(w.t)
	do()
}

// crashRun is how a run of the program ended.
type crashRun struct {
	code    int // -1: killed
	changes int
	struck  bool
	output  string
}

// run runs the program; strike is told which process it is. It returns when
// the program and its tunnels have ended.
func (w *crashWorld) run(arm func(d *crashDisk, kill func()), args ...string) crashRun {
	w.t.Helper()
	limit := time.Minute
	if w.mayHang {
		limit /= 3
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var output bytes.Buffer
	cmd := w.program(ctx, &output, args...)
	started := make(chan int, 1)
	if w.disk != nil {
		arm(w.disk, func() {
			// Of our own process nothing but the kill may take effect.
			pid := <-started
			started <- pid
			_ = syscall.Kill(pid, syscall.SIGKILL)
		})
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	started <- cmd.Process.Pid
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil && !w.mayHang {
		w.t.Fatalf("mailferry %s: %v, %v\n%s", strings.Join(args, " "), err, ctx.Err(), output.String())
	}
	for deadline := time.Now().Add(10 * time.Second); isAtWork(cmd.Process.Pid); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("a tunnel outlives the program")
		}
	}
	w.ended()
	if w.front != nil {
		w.front.rest()
	}
	r := crashRun{code: cmd.ProcessState.ExitCode(), output: output.String()}
	if w.disk != nil {
		r.changes, r.struck = w.disk.changes(), w.disk.struck()
	}
	return r
}

// program prepares a run of the program.
func (w *crashWorld) program(ctx context.Context, output *bytes.Buffer, args ...string) *exec.Cmd {
	command := []string{w.binary}
	for _, arg := range args {
		command = append(command, strings.ReplaceAll(arg, "DISK", w.point))
	}
	if w.strace != "" {
		// With -D the process that is started is still the program itself.
		command = append([]string{"strace", "-D", "-f", "-q", "-ttt", "-T", "-e", "trace=syncfs", "-e", "signal=none", "--seccomp-bpf", "-o", w.strace}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = w.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "USER=home", "TMPDIR=" + filepath.Join(w.dir, "tmp"),
		"XDG_STATE_HOME=" + filepath.Join(w.point, "state"), "XDG_CONFIG_HOME=" + filepath.Join(w.dir, "config"),
		"XDG_CACHE_HOME=" + filepath.Join(w.point, "cache"), "MAILFERRY_PASSWORD=" + synctest.Password,
	}
	cmd.Env = append(cmd.Env, w.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = output, output
	return cmd
}

// isAtWork reports whether a process of the group runs; those that ended and
// were not waited for do not count.
func isAtWork(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// pid (name) state parent group ...
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 2 && fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			return true
		}
	}
	return false
}

func atRest(d *crashDisk, _ func()) { d.arm(0, nil) }

// isThere lists what both sides (and the other server) hold: mailboxes, and
// messages by their octets, with flags and dates, each as often as it is there.
func (w *crashWorld) isThere() []string {
	w.t.Helper()
	var lines []string
	for side, tree := range map[string]*synctest.Maildir{"server": w.server, "disk": w.reader, "other": w.other} {
		for _, name := range tree.Names() {
			lines = append(lines, fmt.Sprintf("%s %s", side, name))
			if n := tree.Drafts(name); n > 0 && side == "disk" {
				lines = append(lines, fmt.Sprintf("%s %s: %d files in tmp", side, name, n))
			}
			for _, f := range tree.Files(name) {
				lines = append(lines, fmt.Sprintf("%s %s: %s (%s) %d", side, name, shortly(f.Octets), strings.ToLower(f.Flags.String()), f.Date.Unix))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func shortly(octets []byte) string {
	if label := labelOf(octets); len(label) < 20 {
		return label
	}
	sum := sha256.Sum256(octets)
	return fmt.Sprintf("%.4x", sum)
}

// difference tells what is only in one of two lists.
func difference(got, want []string) string {
	var text strings.Builder
	left := slices.Clone(got)
	for _, line := range want {
		if i := slices.Index(left, line); i >= 0 {
			left = slices.Delete(left, i, i+1)
		} else {
			fmt.Fprintf(&text, "\n  missing: %s", line)
		}
	}
	for _, line := range left {
		fmt.Fprintf(&text, "\n  too much: %s", line)
	}
	return text.String()
}
