//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

// benchPatience bounds one run of a program.
const benchPatience = 20 * time.Minute

// benchJob is what a program is asked to do.
type benchJob struct {
	// dir is the program's own; its mail is in mail.
	dir        string
	addr, user string
	push       bool
	// messages there are when all is done; of a push, in the server's maildir.
	messages int
	maildir  string
}

func (j *benchJob) mail() string { return filepath.Join(j.dir, "mail") }

// benchProgram is a program that can do the jobs.
type benchProgram struct {
	name string
	// pullsOnly: it is a yardstick, not a program for people.
	pullsOnly bool
	// once: it plays one round only. What it needs minutes for it needs not
	// three times.
	once bool
	// command prepares a run; nil: do is called instead.
	command func(ctx context.Context, job *benchJob) (*exec.Cmd, error)
	do      func(job *benchJob) error
}

// slug is the name as a folder and as a unit of a benchmark.
func (p benchProgram) slug() string { return strings.NewReplacer(" ", "-", ",", "").Replace(p.name) }

// ours is the first of the programs, which the others are compared with.
const ours = "mailferry"

// benchPrograms builds mailferry and finds the others.
func benchPrograms(b *testing.B, dir string) []benchProgram {
	b.Helper()
	binary := filepath.Join(dir, "bin", "mailferry")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	if output, err := build.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, output)
	}
	programs := []benchProgram{{name: ours, command: func(ctx context.Context, job *benchJob) (*exec.Cmd, error) {
		return mailferryCommand(ctx, binary, job)
	}}}
	if _, err := exec.LookPath("mbsync"); err == nil {
		for _, fsync := range []string{"yes", "no"} {
			programs = append(programs, benchProgram{name: "mbsync, FSync " + fsync, command: mbsyncCommand(fsync), once: fsync == "no"})
		}
	}
	if _, err := exec.LookPath("offlineimap"); err == nil {
		programs = append(programs, benchProgram{name: "offlineimap", command: offlineimapCommand, once: true})
	}
	programs = append(programs,
		benchProgram{name: "floor", pullsOnly: true, do: func(job *benchJob) error { return readFloor(job, job.mail()) }},
		benchProgram{name: "reading alone", pullsOnly: true, do: func(job *benchJob) error { return readFloor(job, "") }},
	)
	if wanted := os.Getenv("BENCH_PROGRAMS"); wanted != "" {
		names := strings.Split(wanted, ",")
		programs = slices.DeleteFunc(programs, func(p benchProgram) bool { return !slices.Contains(names, p.slug()) })
	}
	return programs
}

func readFloor(job *benchJob, dir string) error {
	n, err := readAll(job.addr, job.user, 4, dir)
	if err == nil && n != job.messages {
		err = fmt.Errorf("%d messages instead of %d", n, job.messages)
	}
	return err
}

func mailferryCommand(ctx context.Context, binary string, job *benchJob) (*exec.Cmd, error) {
	args := []string{"backup", "--quiet", "imap+plain://" + job.user + "@" + job.addr, job.mail()}
	if job.push {
		args[0] = "sync"
		args = append(args, "--new-store")
	}
	// A store belongs to a URL, and the link has another port than the server.
	if old, err := os.ReadFile(filepath.Join(job.dir, "addr")); err == nil && string(old) != job.addr {
		if err := job.readdress(string(old)); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(job.dir, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + job.dir, "MAILFERRY_PASSWORD=" + synctest.Password,
		"XDG_STATE_HOME=" + filepath.Join(job.dir, "state"), "XDG_CONFIG_HOME=" + filepath.Join(job.dir, "config"),
	}
	return cmd, os.WriteFile(filepath.Join(job.dir, "addr"), []byte(job.addr), 0o600)
}

// readdress makes a store believe that it always had the address: its marker
// names the server.
func (j *benchJob) readdress(old string) error {
	marker := filepath.Join(j.mail(), ".mailferry", "store.json")
	text, err := os.ReadFile(marker)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(j.dir, "state")); err != nil {
		return err
	}
	return os.WriteFile(marker, bytes.ReplaceAll(text, []byte(old), []byte(j.addr)), 0o600)
}

// mbsyncCommand writes the same job for mbsync, dates kept as mailferry does.
func mbsyncCommand(fsync string) func(context.Context, *benchJob) (*exec.Cmd, error) {
	return func(ctx context.Context, job *benchJob) (*exec.Cmd, error) {
		host, port, err := net.SplitHostPort(job.addr)
		if err != nil {
			return nil, err
		}
		direction, create := "Pull", "Near"
		if job.push {
			direction, create = "All", "Far"
		}
		text := fmt.Sprintf("FSync %s\n\nIMAPStore far\nHost %s\nPort %s\nUser %s\nPass %s\nSSLType None\nAuthMechs LOGIN\n\n"+
			"MaildirStore near\nSubFolders Verbatim\nPath %[6]s/\nInbox %[6]s/INBOX\n\n"+
			"Channel all\nFar :far:\nNear :near:\nPatterns *\nSync %[7]s\nCreate %[8]s\nExpunge None\nSyncState *\nCopyArrivalDate yes\n",
			fsync, host, port, job.user, synctest.Password, job.mail(), direction, create)
		if err := os.MkdirAll(job.mail(), 0o700); err != nil {
			return nil, err
		}
		config := filepath.Join(job.dir, "mbsyncrc")
		cmd := exec.CommandContext(ctx, "mbsync", "-q", "-c", config, "all")
		return cmd, os.WriteFile(config, []byte(text), 0o600)
	}
}

func offlineimapCommand(ctx context.Context, job *benchJob) (*exec.Cmd, error) {
	host, port, err := net.SplitHostPort(job.addr)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("[general]\nmetadata = %[1]s/metadata\naccounts = all\nui = quiet\nfsync = true\n\n"+
		"[Account all]\nlocalrepository = near\nremoterepository = far\n\n"+
		"[Repository near]\ntype = Maildir\nlocalfolders = %[1]s/mail\nsep = /\nutime_from_header = no\n\n"+
		"[Repository far]\ntype = IMAP\nremotehost = %[2]s\nremoteport = %[3]s\nremoteuser = %[4]s\nremotepass = %[5]s\n"+
		"ssl = no\nstarttls = no\nauth_mechanisms = PLAIN\nmaxconnections = 4\n",
		job.dir, host, port, job.user, synctest.Password)
	if err := os.MkdirAll(job.mail(), 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(job.dir, "offlineimaprc")
	cmd := exec.CommandContext(ctx, "offlineimap", "-o", "-c", config)
	cmd.Env = append(os.Environ(), "HOME="+job.dir)
	return cmd, os.WriteFile(config, []byte(text), 0o600)
}

// figure is what one run cost.
type figure struct {
	wall, cpu time.Duration
	peak      int64 // octets; 0: not measured
	traffic   linkTraffic
}

// measure does a job, and fails the benchmark unless all messages are there:
// who is fast because he does less is not faster.
func (p benchProgram) measure(b *testing.B, job *benchJob) figure {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), benchPatience)
	defer cancel()
	syscall.Sync() // what was written before is nobody's
	var got figure
	if p.do != nil {
		start := time.Now()
		err := p.do(job)
		got.wall = time.Since(start)
		if err != nil {
			b.Fatalf("%s: %v", p.name, err)
		}
		return got
	}
	cmd, err := p.command(ctx, job)
	if err != nil {
		b.Fatalf("%s: %v", p.name, err)
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatalf("%s: %v", p.name, err)
	}
	peak := watchPeak(cmd.Process.Pid)
	err = cmd.Wait()
	got.wall, got.peak = time.Since(start), peak()
	if err != nil {
		b.Fatalf("%s: %v\n%s", p.name, err, output.Bytes())
	}
	got.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	target := job.mail()
	if job.push {
		target = job.maildir
	}
	if n := countMessages(b, target); n != job.messages {
		b.Fatalf("%s: %d messages instead of %d\n%s", p.name, n, job.messages, output.Bytes())
	}
	return got
}

// watchPeak looks at a process until the function that it returns is called,
// which tells the most memory the process had. What wait4 tells counts the
// memory of this process, too, which the other one was forked from.
func watchPeak(pid int) func() int64 {
	stop, result := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		for {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if _, rest, found := strings.Cut(string(text), "VmHWM:"); err == nil && found {
				var kilobytes int64
				if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
					most = max(most, kilobytes<<10)
				}
			}
			select {
			case <-stop:
				result <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-result
	}
}

func countMessages(b *testing.B, dir string) int {
	b.Helper()
	count := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		part := filepath.Base(filepath.Dir(path))
		if err == nil && !entry.IsDir() && (part == "cur" || part == "new") && !strings.HasPrefix(entry.Name(), ".") {
			count++
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return count
}
