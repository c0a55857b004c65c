package ui

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/verify"
)

var proofFuncs = template.FuncMap{
	"count":  func(n int) string { return humanize.Comma(int64(n)) },
	"size":   func(n int64) string { return humanize.IBytes(uint64(max(0, n))) },
	"safe":   Escape,
	"name":   func(name mailbox.Name) string { return Escape(string(name)) },
	"short":  func(digest string) string { return digest[:min(len(digest), 12)] },
	"day":    func(d mailbox.Date) string { return dayOf(d) },
	"utc":    func(t time.Time) string { return t.Format("2 January 2006, 15:04 UTC") },
	"kindof": kindText,
	"capped": func(list []verify.Difference) []verify.Difference { return list[:min(len(list), maxProofRows)] },
	"over":   func(list []verify.Difference) int { return max(0, len(list)-maxProofRows) },
}

func dayOf(d mailbox.Date) string {
	if !d.Known {
		return ""
	}
	return d.Time().Format(time.DateOnly)
}

func kindText(kind verify.Kind) string {
	for _, k := range verifyKinds {
		if k.kind == kind {
			return k.text
		}
	}
	return "rewritten by the server"
}

// sidesOf splits what Verification.Compared says into its two sides.
func sidesOf(compared string) [2]string {
	here, there, _ := strings.Cut(compared, " and ")
	return [2]string{here, there}
}

// sides lists the columns of the page's table: with two comparisons of one
// store its own server comes first, then the store, then the other server.
func (p *Proof) sides() []string {
	if len(p.Comparisons) == 2 {
		return []string{p.Comparisons[0].There, p.Comparisons[0].Here, p.Comparisons[1].There}
	}
	var sides []string
	for _, c := range p.Comparisons {
		sides = append(sides, c.Here, c.There)
	}
	return sides
}

// proofLine is a row of the page's table, a cell for each side.
type proofLine struct {
	Name        mailbox.Name
	Cells       []ProofTally
	Differences int
}

func (p *Proof) rows() []proofLine {
	lines := map[mailbox.Name]*proofLine{}
	for i, c := range p.Comparisons {
		for _, m := range c.Mailboxes {
			line := lines[m.Name]
			if line == nil {
				line = &proofLine{Name: m.Name, Cells: make([]ProofTally, len(p.sides()))}
				lines[m.Name] = line
			}
			line.Differences += m.Differences
			switch {
			case len(p.Comparisons) == 1:
				line.Cells[0], line.Cells[1] = m.Here, m.There
			case i == 0:
				line.Cells[0], line.Cells[1] = m.There, m.Here
			default:
				line.Cells[1], line.Cells[2] = m.Here, m.There
			}
		}
	}
	var sorted []proofLine
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		sorted = append(sorted, *lines[name])
	}
	return sorted
}

// proofBar is one year's pair of bars.
type proofBar struct {
	Year                  string
	X, HereY, ThereY      int
	HereHeight, ThereHigh int
	Here, There           int
}

type proofChart struct {
	Here, There string
	Width       int
	Bars        []proofBar
}

// Heights and widths of a chart, in SVG's units.
const (
	chartHeight = 120
	chartStep   = 46
)

// charts draws the messages of each year on both sides.
func (p *Proof) charts() []proofChart {
	var charts []proofChart
	for _, c := range p.Comparisons {
		years := slices.Sorted(maps.Keys(c.years))
		highest := 1
		for _, n := range c.years {
			highest = max(highest, n[0], n[1])
		}
		chart := proofChart{Here: c.Here, There: c.There, Width: max(1, len(years)) * chartStep}
		for i, year := range years {
			n := c.years[year]
			bar := proofBar{Year: fmt.Sprint(year), X: i * chartStep, Here: n[0], There: n[1]}
			if year == 0 {
				bar.Year = "undated"
			}
			bar.HereHeight, bar.ThereHigh = barHeight(n[0], highest), barHeight(n[1], highest)
			bar.HereY, bar.ThereY = chartHeight-bar.HereHeight, chartHeight-bar.ThereHigh
			chart.Bars = append(chart.Bars, bar)
		}
		charts = append(charts, chart)
	}
	return charts
}

// barHeight shows also a single message.
func barHeight(n, highest int) int {
	if n == 0 {
		return 0
	}
	return max(2, n*chartHeight/highest)
}
