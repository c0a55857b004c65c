package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"mailferry/cmd/internal/schedule"
)

// newManCommand is for packages, not for people: hidden.
func newManCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages, the shells' completions and systemd's units, as packages install them",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := writeManPages(cmd.Root(), filepath.Join(args[0], "man")); err != nil {
				return err
			}
			if err := writeCompletions(cmd.Root(), filepath.Join(args[0], "completions")); err != nil {
				return err
			}
			return writeUnits(filepath.Join(args[0], "units"))
		},
	}
}

// manHead is on every page. The date is the release's, not the day's: the same
// source makes the same pages.
func manHead(title, section string) *doc.GenManHeader {
	when := time.Unix(0, 0).UTC()
	if released, err := time.Parse(time.RFC3339, date); err == nil {
		when = released
	}
	return &doc.GenManHeader{Title: title, Section: section, Date: &when, Source: "mailferry " + version, Manual: "mailferry"}
}

// writeManPages writes a page for each command, in section 1, and one for each
// topic, in section 7.
func writeManPages(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	commands := []*cobra.Command{root}
	for len(commands) > 0 {
		cmd := commands[0]
		commands = append(commands[1:], cmd.Commands()...)
		if cmd.Hidden || cmd.Name() == "help" {
			continue
		}
		cmd.DisableAutoGenTag = true
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		var page bytes.Buffer
		if err := doc.GenMan(cmd, manHead(strings.ToUpper(name), "1"), &page); err != nil {
			return err
		}
		if err := writeGzip(filepath.Join(dir, name+".1.gz"), page.Bytes()); err != nil {
			return err
		}
	}
	for _, topic := range topicList {
		var text bytes.Buffer
		if err := writeTopic(&text, topic); err != nil {
			return err
		}
		name := "mailferry-" + topic
		if err := writeGzip(filepath.Join(dir, name+".7.gz"), topicPage(name, text.String())); err != nil {
			return err
		}
	}
	return nil
}

// topicPage makes a man page of a topic, line by line as it is. (man(7))
func topicPage(name, text string) []byte {
	var b bytes.Buffer
	head := manHead(strings.ToUpper(name), "7")
	fmt.Fprintf(&b, ".TH %q 7 %q %q %q\n.SH NAME\n%s \\- about mailferry\n.SH DESCRIPTION\n.nf\n",
		head.Title, head.Date.Format("Jan 2006"), head.Source, head.Manual, strings.ReplaceAll(name, "-", `\-`))
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		line = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(line)
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		b.WriteString(line + "\n")
	}
	b.WriteString(".fi\n.SH SEE ALSO\n\\fBmailferry(1)\\fP\n")
	return b.Bytes()
}

func writeGzip(path string, text []byte) error {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// writeCompletions writes what the shells load.
func writeCompletions(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, shell := range shells {
		var script bytes.Buffer
		if err := shell.write(root, &script); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, shell.file), script.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeUnits writes what schedule installs, for whichever account.
func writeUnits(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range schedule.PackagedUnits("/usr/bin/mailferry") {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
