//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// benchTable gathers figures and shows them.
type benchTable struct {
	programs []benchProgram
	rows     []*benchRow
}

// benchRow is a case.
type benchRow struct {
	title    string
	figures  map[string][]figure
	programs []benchProgram // nil: those of the table
}

func newBenchTable(programs []benchProgram) *benchTable { return &benchTable{programs: programs} }

func (t *benchTable) row(title string) *benchRow {
	row := &benchRow{title: title, figures: map[string][]figure{}}
	t.rows = append(t.rows, row)
	return row
}

func (r *benchRow) add(program string, f figure) { r.figures[program] = append(r.figures[program], f) }

// middle is the run of median duration.
func (r *benchRow) middle(program string) figure {
	sorted := slices.SortedFunc(slices.Values(r.figures[program]), func(a, b figure) int { return int(a.wall - b.wall) })
	if len(sorted) == 0 {
		return figure{}
	}
	return sorted[len(sorted)/2]
}

func (r *benchRow) median(program string) time.Duration { return r.middle(program).wall }

// publish writes the table where BENCH_RESULTS says.
func (t *benchTable) publish(b *testing.B) {
	if len(t.rows) == 0 {
		return
	}
	text := t.markdown()
	path := os.Getenv("BENCH_RESULTS")
	if path == "" {
		fmt.Print("\n" + text)
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}

func (t *benchTable) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# mailferry beside other programs\n\n%s\n\n", machine(t.programs))
	b.WriteString(`Written by ` + "`make bench`" + `. The programs take turns; each figure is the median run, with the fastest
and the slowest in parentheses. "Factor" is the program's time over mailferry's. "floor" is the
least that a download can cost: the same octets over four connections, cut into files, one barrier
at the end, and no parsing, hashing or state; "reading alone" drops the octets. mbsync with FSync no
and offlineimap (which flushes files, but not folders) may lose in a power cut what they have
acknowledged. A turn is one change from the server speaking to the client speaking, added up over
all connections, which may wait at the same time. A program without parentheses played one round.
What was measured otherwise is in NOTES.md.
`)
	for _, row := range t.rows {
		fmt.Fprintf(&b, "\n## %s\n\n", row.title)
		b.WriteString("| program | seconds | factor | CPU seconds | peak memory | turns | octets down | octets up |\n")
		b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|\n")
		programs := row.programs
		if programs == nil {
			programs = t.programs
		}
		for _, p := range programs {
			if len(row.figures[p.name]) > 0 {
				b.WriteString(row.line(p.name))
			}
		}
	}
	return b.String()
}

func (r *benchRow) line(program string) string {
	shortest, longest := r.figures[program][0].wall, time.Duration(0)
	for _, f := range r.figures[program] {
		shortest, longest = min(shortest, f.wall), max(longest, f.wall)
	}
	f := r.middle(program)
	factor, cpu, peak, turns, down, up := "", "", "", "", "", ""
	if base := r.median(ours); base > 0 {
		factor = fmt.Sprintf("%.2f", f.wall.Seconds()/base.Seconds())
	}
	if f.cpu > 0 {
		cpu, peak = fmt.Sprintf("%.2f", f.cpu.Seconds()), fmt.Sprintf("%d MB", f.peak>>20)
	}
	if f.traffic.conns > 0 {
		turns, down, up = fmt.Sprint(f.traffic.turns), octetsText(f.traffic.down), octetsText(f.traffic.up)
	}
	spread := ""
	if len(r.figures[program]) > 1 {
		spread = fmt.Sprintf(" (%.2f–%.2f)", shortest.Seconds(), longest.Seconds())
	}
	return fmt.Sprintf("| %s | %.2f%s | %s | %s | %s | %s | %s | %s |\n", program,
		f.wall.Seconds(), spread, factor, cpu, peak, turns, down, up)
}

func octetsText(n int64) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1000:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

// machine names what the figures depend on.
func machine(programs []benchProgram) string {
	output := func(name string, args ...string) string {
		text, err := exec.Command(name, args...).Output()
		if err != nil {
			return "?"
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		return first
	}
	dovecot, _, _ := strings.Cut(output("dovecot", "--version"), " ")
	facts := []string{
		fmt.Sprintf("%d cores", runtime.NumCPU()), "Linux " + output("uname", "-r"), runtime.GOARCH,
		"file system " + output("stat", "-f", "-c", "%T", os.TempDir()), "Dovecot " + dovecot, runtime.Version(),
	}
	for _, p := range programs {
		switch {
		case strings.HasPrefix(p.name, "mbsync, FSync yes"):
			facts = append(facts, output("mbsync", "--version"))
		case p.name == "offlineimap":
			facts = append(facts, "offlineimap "+output("offlineimap", "--version"))
		}
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		facts = append(facts, "load at the end "+strings.Fields(string(load))[0])
	}
	return strings.Join(facts, ", ") + ", " + time.Now().UTC().Format("2006-01-02") + "."
}
