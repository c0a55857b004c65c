package ui

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"mailferry/syncer/merge"
)

//go:embed mergepage.html
var mergePageText string

var mergePage = template.Must(template.New("merge").Funcs(proofFuncs).Funcs(template.FuncMap{
	"datefrom": MergeDateText,
	"odd":      MergeOddText,
}).Parse(mergePageText))

// maxMergeCombinations is how many combinations of sources the picture shows.
const maxMergeCombinations = 40

// Measures of the picture, in pixels.
const (
	mergeColumn = 26
	mergeRow    = 28
	mergeBars   = 420
	mergeNumber = 90
)

type mergePageData struct {
	Report        *merge.Report
	Into          string
	Places        []mergePlace
	Heads         []mergeHead
	Rows          []mergePageRow
	Width, Height int
	More          int
	Damaged       bool
}

type mergePlace struct {
	merge.SourceReport
	Letter   string
	IsTarget bool
}

type mergeHead struct {
	X      int
	Letter string
}

type mergeDot struct {
	X  int
	On bool
}

type mergePageRow struct {
	Y, From, To, BarX, BarWidth, TextX, Messages int
	Title                                        string
	Stem                                         bool
	Dots                                         []mergeDot
}

// MergePage writes a merge's report as a page that needs nothing else.
func MergePage(w io.Writer, r *merge.Report, into string) error {
	data := mergePageData{Report: r, Into: into}
	for i, s := range r.Sources {
		data.Places = append(data.Places, mergePlace{s, mark(i), i == r.Target})
		data.Heads = append(data.Heads, mergeHead{columnAt(i), mark(i)})
		data.Damaged = data.Damaged || len(s.Damages) > 0
	}
	if len(r.Sources) > 1 {
		for i, o := range r.Overlaps {
			if i == maxMergeCombinations {
				data.More = len(r.Overlaps) - i
				break
			}
			data.Rows = append(data.Rows, mergeBarRow(r, o, i))
		}
	}
	data.Width = columnAt(len(r.Sources)) + mergeBars + mergeNumber
	data.Height = 36 + len(data.Rows)*mergeRow + 4
	return mergePage.Execute(w, data)
}

func columnAt(i int) int { return 20 + i*mergeColumn }

func mergeBarRow(r *merge.Report, o merge.Overlap, i int) mergePageRow {
	row := mergePageRow{Y: 44 + i*mergeRow, Messages: o.Messages, Stem: len(o.Sources) > 1}
	in := map[int]bool{}
	var letters []string
	for _, s := range o.Sources {
		in[s] = true
		letters = append(letters, mark(s))
	}
	row.Title = strings.Join(letters, " and ")
	for s := range r.Sources {
		row.Dots = append(row.Dots, mergeDot{columnAt(s), in[s]})
	}
	row.From, row.To = columnAt(o.Sources[0]), columnAt(o.Sources[len(o.Sources)-1])
	row.BarX = columnAt(len(r.Sources))
	row.BarWidth = max(2, o.Messages*mergeBars/max(r.Overlaps[0].Messages, 1))
	row.TextX = row.BarX + row.BarWidth + 8
	return row
}
