package monitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTextfileHasEachAccountAndRemembersTheLastSuccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mailferry.prom")
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	for _, run := range []Run{
		{Account: `odd"\name`, Command: "sync", Ended: at(100), Duration: 1500 * time.Millisecond, Counts: []Count{{"downloaded", 7}}, OctetsDown: 42},
		{Account: "b", Ended: at(110), ExitCode: 12},
		{Account: `odd"\name`, Ended: at(200), ExitCode: 13},
		{Account: `odd"\name`, Ended: at(300), ExitCode: 13},
	} {
		if err := WriteTextfile(path, run); err != nil {
			t.Fatal(err)
		}
	}
	text := readText(t, path)
	for _, line := range []string{
		`mailferry_last_run_timestamp_seconds{account="odd\"\\name"} 300`,
		`mailferry_last_success_timestamp_seconds{account="odd\"\\name"} 100`,
		`mailferry_failures_in_a_row{account="odd\"\\name"} 2`,
		`mailferry_last_run_exit_code{account="b"} 12`,
		`mailferry_failures_in_a_row{account="b"} 1`,
		"# TYPE mailferry_failures_in_a_row gauge",
	} {
		if strings.Count(text, line+"\n") != 1 {
			t.Errorf("%q is not there once:\n%s", line, text)
		}
	}
	if strings.Contains(text, `last_success_timestamp_seconds{account="b"}`) {
		t.Errorf("b never succeeded:\n%s", text)
	}
	if err := WriteTextfile(path, Run{Account: "b", Ended: at(400), Counts: []Count{{"downloaded", 7}}}); err != nil {
		t.Fatal(err)
	}
	text = readText(t, path)
	for _, line := range []string{`mailferry_failures_in_a_row{account="b"} 0`, `mailferry_last_run_count{account="b",action="downloaded"} 7`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%q is missing:\n%s", line, text)
		}
	}
}

func TestTextfileOfSomethingElseStaysAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.prom")
	const other = "# HELP node_x X\nnode_x 1\n"
	if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteTextfile(path, Run{Account: "a"}); !errors.Is(err, ErrForeign) {
		t.Errorf("%v", err)
	}
	if text := readText(t, path); text != other {
		t.Errorf("%q", text)
	}
}

func TestAccountsThatEndTogetherAllGetIntoTheTextfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.prom")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := WriteTextfile(path, Run{Account: fmt.Sprint("account", i), Ended: time.Unix(1, 0)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := strings.Count(readText(t, path), "mailferry_last_run_exit_code{"); n != 20 {
		t.Errorf("%d accounts are in the file, want 20", n)
	}
}
