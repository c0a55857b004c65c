//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

// BenchmarkVast measures what no real server can be filled for in time: the
// first backup of BENCH_VAST messages (100,000), a run in which nothing
// changed, and one each after the state was lost and after the server gave the
// messages other UIDs. CPU and memory are the program's own; the server makes
// messages up. BENCH_DIR says where; BENCH_ESEARCH=no has the server name all UIDs.
func BenchmarkVast(b *testing.B) {
	messages, err := strconv.Atoi(cmp.Or(os.Getenv("BENCH_VAST"), "100000"))
	if err != nil {
		b.Fatal(err)
	}
	server := synctest.Vast(b, messages, 0)
	if os.Getenv("BENCH_ESEARCH") == "no" {
		server.ForgetESearch()
	}
	store := benchStore(b)
	for _, run := range []struct {
		name string
		do   func() error
	}{
		{"first", func() error { return nil }}, {"settling", func() error { return nil }}, {"unchanged", func() error { return nil }},
		{"renumbered", func() error { server.Renumber(); return nil }},
		{"rebuilt", func() error { return os.Remove(filepath.Join(store, ".mailferry", "state.db")) }},
	} {
		b.Run(run.name, func(b *testing.B) {
			if err := run.do(); err != nil {
				b.Fatal(err)
			}
			measureRun(b, "backup", "imap+plain://me@"+server.Addr, store)
		})
		time.Sleep(2500 * time.Millisecond) // the folder is no longer one that just changed
	}
	if n := countMessages(b, store); n != messages {
		b.Errorf("%d messages on disk instead of %d", n, messages)
	}
}

// BenchmarkHuge measures one message of BENCH_HUGE octets (2 GiB), down and up
// again; its memory is to be compared with that of BenchmarkVast/unchanged.
func BenchmarkHuge(b *testing.B) {
	size, err := strconv.ParseInt(cmp.Or(os.Getenv("BENCH_HUGE"), strconv.Itoa(2<<30)), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	server, empty := synctest.Vast(b, 1, size), synctest.Vast(b, 0, 0)
	store := benchStore(b)
	b.Run("down", func(b *testing.B) { measureRun(b, "backup", "imap+plain://me@"+server.Addr, store) })
	b.Run("up", func(b *testing.B) { measureRun(b, "restore", store, "--to", "imap+plain://you@"+empty.Addr) })
}

func benchStore(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "mailferry-vast-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "mail")
}

// measureRun reports what one run of the released program costs.
func measureRun(b *testing.B, args ...string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), benchPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, builtProgram(b), args...)
	cmd.Env = append(os.Environ(), "MAILFERRY_PASSWORD="+synctest.Password, "XDG_STATE_HOME="+b.TempDir(), "XDG_CONFIG_HOME="+b.TempDir())
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	peak := watchMemory(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%v: %v\n%s", args, err, output.Bytes())
	}
	b.ReportMetric((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "cpu-s")
	b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
}
