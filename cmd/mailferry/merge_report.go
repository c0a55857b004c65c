package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"mailferry/cmd/internal/ui"
)

// showReport tells who has what, before anything is done.
func (m *merging) showReport() error {
	a := m.app
	switch {
	case a.flags.json:
		ui.MergeJSON(a.out(), &m.result, m.flags.into)
	case a.flags.quiet:
	case m.flags.dryRun, a.console.OutIsTerminal(), a.flags.verbose > 0:
		ui.MergeText(a.out(), &m.result, m.flags.into)
	}
	if m.flags.html == "" {
		return nil
	}
	file, err := os.Create(m.flags.html)
	if err != nil {
		return err
	}
	if err := ui.MergePage(file, &m.result, m.flags.into); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// explain says why copies were or were not taken for one.
func (m *merging) explain(ctx context.Context) error {
	e, err := m.union.Explain(ctx, m.flags.explain)
	if err != nil {
		return err
	}
	if len(e.Copies) == 0 {
		return hintedError{fmt.Errorf("%s: no source has such a message", m.flags.explain),
			"MESSAGE is a Message-ID, the path of a file, or part of a subject"}
	}
	if m.app.flags.json {
		ui.MergeExplanationJSON(m.app.out(), e)
	} else {
		ui.MergeExplanation(m.app.out(), e)
	}
	return nil
}

// errDeclined: the user said no; nothing was done.
var errDeclined = fmt.Errorf("nothing was done")

// ask asks before the upload where somebody is there to answer.
func (m *merging) ask(ctx context.Context) error {
	a := m.app
	if m.flags.yes || a.flags.noInput || a.flags.json || !a.console.IsTerminal() || !a.console.OutIsTerminal() || !term.IsTerminal(int(a.stdin.Fd())) {
		return nil
	}
	marks := 0
	for i := range m.gaps {
		marks += m.gaps[i].Len()
	}
	question := fmt.Sprintf("Bring %s messages (%s) to %s", humanize.Comma(int64(m.result.Upload)), humanize.IBytes(uint64(m.result.Octets)), m.flags.into)
	if marks > 0 {
		question += fmt.Sprintf(", and mark %s there as read, answered or starred", humanize.Comma(int64(marks)))
	}
	fmt.Fprintf(a.console.Err(), "\n%s? [y/N] ", ui.Escape(question))
	answered := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.stdin).ReadString('\n')
		answered <- line
	}()
	select {
	case line := <-answered:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return hintedError{errDeclined, "without the question: " + m.typed() + " --yes"}
	case <-a.stop:
	case <-ctx.Done():
	}
	return context.Canceled
}
