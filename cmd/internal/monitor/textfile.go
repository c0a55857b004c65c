package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2/maybe"
)

// A metric is one family of the file.
type metric struct{ name, kind, help string }

// metrics are the families in the order of the file.
var metrics = []metric{
	{"mailferry_last_run_timestamp_seconds", "gauge", "When the last run ended."},
	{"mailferry_last_success_timestamp_seconds", "gauge", "When the last run that did everything ended."},
	{"mailferry_last_run_exit_code", "gauge", "The last run's exit code; 0 is success (mailferry help exit-codes)."},
	{"mailferry_failures_in_a_row", "gauge", "Runs that failed since the last success."},
	{"mailferry_last_run_duration_seconds", "gauge", "How long the last run took."},
	{"mailferry_last_run_octets", "gauge", "What the last run transferred, by direction."},
	{"mailferry_last_run_count", "gauge", "What the last run did, by action."},
}

const (
	lastSuccess = "mailferry_last_success_timestamp_seconds"
	inARow      = "mailferry_failures_in_a_row"
)

// sample is one line: a metric of an account.
type sample struct {
	metric, account string
	// labels are those beside the account, "" or as written: `,action="x"`.
	labels, value string
}

// ErrForeign is returned for a file that something else wrote.
var ErrForeign = errors.New("has other metrics than mailferry's: give it a file of its own")

// maxTextfile bounds what is read of a file.
const maxTextfile = 16 << 20

// lockTimeout is how long to wait for another process that writes the file.
const lockTimeout = 5 * time.Second

// textfiles: accounts that run at the same time in this process share a file.
var textfiles sync.Mutex

// WriteTextfile puts a run's metrics into a file for node_exporter's textfile
// collector. Other accounts' stay as they are; the file is replaced in one
// step, and processes take turns.
func WriteTextfile(path string, run Run) (err error) {
	textfiles.Lock()
	defer textfiles.Unlock()
	lock := flock.New(path + ".lock")
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return fmt.Errorf("metrics file %s: %w", path, err)
	}
	defer lock.Unlock()
	old, err := readTextfile(path)
	if err != nil {
		return fmt.Errorf("metrics file %s: %w", path, err)
	}
	samples := slices.DeleteFunc(slices.Clone(old), func(s sample) bool { return s.account == run.Account })
	samples = append(samples, samplesOf(run, old)...)
	if err := maybe.WriteFile(path, render(samples), 0o644); err != nil {
		return fmt.Errorf("metrics file: %w", err)
	}
	return nil
}

// samplesOf is a run in samples; what the file says of earlier runs goes on.
func samplesOf(run Run, old []sample) []sample {
	var list []sample
	add := func(metric, labels, value string) {
		list = append(list, sample{metric, run.Account, labels, value})
	}
	before := func(metric string) string {
		for _, s := range old {
			if s.metric == metric && s.account == run.Account {
				return s.value
			}
		}
		return ""
	}
	ended := strconv.FormatInt(run.Ended.Unix(), 10)
	add("mailferry_last_run_timestamp_seconds", "", ended)
	failures, _ := strconv.Atoi(before(inARow))
	switch success := before(lastSuccess); {
	case run.ExitCode == 0:
		failures = 0
		add(lastSuccess, "", ended)
	default:
		failures++
		if success != "" {
			add(lastSuccess, "", success)
		}
	}
	add("mailferry_last_run_exit_code", "", strconv.Itoa(run.ExitCode))
	add(inARow, "", strconv.Itoa(failures))
	add("mailferry_last_run_duration_seconds", "", strconv.FormatFloat(run.Duration.Round(time.Millisecond).Seconds(), 'f', -1, 64))
	add("mailferry_last_run_octets", `,direction="down"`, strconv.FormatInt(run.OctetsDown, 10))
	add("mailferry_last_run_octets", `,direction="up"`, strconv.FormatInt(run.OctetsUp, 10))
	for _, count := range run.Counts {
		add("mailferry_last_run_count", `,action="`+escapeLabel(count.Name)+`"`, strconv.Itoa(count.N))
	}
	return list
}

func render(samples []sample) []byte {
	slices.SortStableFunc(samples, func(a, b sample) int { return strings.Compare(a.account, b.account) })
	var b bytes.Buffer
	for _, m := range metrics {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
		for _, s := range samples {
			if s.metric == m.name {
				fmt.Fprintf(&b, "%s{account=\"%s\"%s} %s\n", s.metric, escapeLabel(s.account), s.labels, s.value)
			}
		}
	}
	return b.Bytes()
}

// readTextfile reads what an earlier run wrote.
func readTextfile(path string) ([]sample, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxTextfile {
		err = ErrForeign
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var samples []sample
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "# HELP mailferry_") || strings.HasPrefix(line, "# TYPE mailferry_") {
			continue
		}
		s, ok := parseSample(line)
		if !ok {
			return nil, ErrForeign
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// parseSample reads a line as render writes it.
func parseSample(line string) (sample, bool) {
	name, rest, found := strings.Cut(line, `{account="`)
	if !found || !slices.ContainsFunc(metrics, func(m metric) bool { return m.name == name }) {
		return sample{}, false
	}
	end := 0
	for end < len(rest) && rest[end] != '"' {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(rest) {
		return sample{}, false
	}
	labels, value, found := strings.Cut(rest[end+1:], "} ")
	return sample{name, unescapeLabel(rest[:end]), labels, value}, found
}

func escapeLabel(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
}

func unescapeLabel(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(text)
}
