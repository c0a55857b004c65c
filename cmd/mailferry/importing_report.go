package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/former"
	"mailferry/syncer/mailbox"
)

type importedObject struct {
	Type           string       `json:"type"`
	Account        string       `json:"account"`
	Mailbox        mailbox.Name `json:"mailbox"`
	Folder         string       `json:"folder"`
	RenamedFrom    mailbox.Name `json:"renamed_from,omitempty"`
	GoneFromServer bool         `json:"mailbox_gone,omitempty"`
	importedCounts
	Renumbered bool   `json:"renumbered,omitempty"`
	Doubt      string `json:"doubt,omitempty"`
}

// importedCounts are messages: known on both sides; what the next sync does
// with those that are not; and those that it leaves alone.
type importedCounts struct {
	Known        int `json:"known"`
	Download     int `json:"download"`
	Upload       int `json:"upload"`
	Remove       int `json:"remove_local"`
	KeptOnServer int `json:"kept_on_server"`
	KeptOnDisk   int `json:"kept_on_disk"`
	CameBack     int `json:"gone_from_disk"`
	Stubs        int `json:"placeholders"`
	Contradicted int `json:"contradicted"`
}

func importedCountsOf(m former.Matched) importedCounts {
	return importedCounts{
		Known: m.Known, Download: m.NewOnServer + m.GoneFromDisk, Upload: m.NewOnDisk, Remove: m.GoneFromServer,
		KeptOnServer: m.Expired, KeptOnDisk: m.KeptOnDisk, CameBack: m.GoneFromDisk, Stubs: m.Stubs, Contradicted: m.Contradicted,
	}
}

func (c *importedCounts) add(o importedCounts) {
	c.Known += o.Known
	c.Download += o.Download
	c.Upload += o.Upload
	c.Remove += o.Remove
	c.KeptOnServer += o.KeptOnServer
	c.KeptOnDisk += o.KeptOnDisk
	c.CameBack += o.CameBack
	c.Stubs += o.Stubs
	c.Contradicted += o.Contradicted
}

type importSummary struct {
	Type          string `json:"type"`
	SchemaVersion int    `json:"schema_version"`
	Account       string `json:"account"`
	Command       string `json:"command"`
	Tool          string `json:"tool"`
	DryRun        bool   `json:"dry_run"`
	Mailboxes     int    `json:"mailboxes"`
	importedCounts
	OnlyOnDisk   []mailbox.Name `json:"only_on_disk"`
	OnlyOnServer []mailbox.Name `json:"only_on_server"`
	DurationMS   int64          `json:"duration_ms"`
	ExitCode     int            `json:"exit_code"`
	Error        string         `json:"error,omitempty"`
}

// tell shows what was taken over and what the next sync will do.
func (i *importing) tell(code int, started time.Time, err error) {
	var total importedCounts
	for _, box := range i.boxes {
		total.add(importedCountsOf(box.matched))
	}
	if i.app.flags.json {
		i.tellJSON(code, started, total, err)
		return
	}
	if err == nil && !i.app.flags.quiet {
		i.tellPeople(total)
	}
}

func (i *importing) tellJSON(code int, started time.Time, total importedCounts, err error) {
	name := i.target.account.Name
	for _, box := range i.boxes {
		if err != nil {
			break
		}
		object := importedObject{
			Type: "mailbox", Account: name, Mailbox: box.name, Folder: box.folder.Path, RenamedFrom: box.renamedFrom, GoneFromServer: box.name == "",
			importedCounts: importedCountsOf(box.matched), Renumbered: box.matched.Renumbered && box.name != "", Doubt: box.folder.Doubt,
		}
		ui.WriteJSON(i.app.out(), object)
	}
	summary := importSummary{
		Type: "summary", SchemaVersion: ui.SchemaVersion, Account: name, Command: "import-state", Tool: i.tool, DryRun: i.flags.dryRun,
		Mailboxes: len(i.boxes), importedCounts: total, OnlyOnDisk: append([]mailbox.Name{}, i.onlyOnDisk...),
		OnlyOnServer: append([]mailbox.Name{}, i.onlyOnServer...), DurationMS: time.Since(started).Milliseconds(), ExitCode: code,
	}
	if err != nil {
		summary.Error = err.Error()
	}
	ui.WriteJSON(i.app.out(), summary)
}

func (i *importing) tellPeople(total importedCounts) {
	out := i.app.out()
	for _, box := range i.boxes {
		fmt.Fprintf(out, "%s: %s\n", ui.Escape(string(box.label())), ui.Escape(box.text()))
	}
	verb := "are"
	if i.flags.dryRun {
		verb = "would be"
	}
	fmt.Fprintf(out, "%s messages in %s mailboxes %s known on both sides: no sync transfers them again\n", humanize.Comma(int64(total.Known)), humanize.Comma(int64(len(i.boxes))), verb)
	for _, line := range total.lines(i.tool) {
		fmt.Fprintln(out, line)
	}
	if len(i.onlyOnServer) > 0 {
		fmt.Fprintf(out, "not taken part so far, and downloaded by the next sync: %s\n  to leave mailboxes out, set mailboxes in the configuration: mailferry help configuration\n", joinNames(i.onlyOnServer))
	}
	if len(i.onlyOnDisk) > 0 {
		fmt.Fprintf(out, "unknown to %s, and uploaded by the next sync: %s\n", i.tool, joinNames(i.onlyOnDisk))
	}
	if i.flags.dryRun {
		fmt.Fprintf(out, "nothing was changed; to do it: %s\n", i.again())
		return
	}
	fmt.Fprintf(out, "%s is a store of mailferry now; look what a sync would do, then let it:\n  mailferry sync %s --dry-run\n  mailferry sync %s\n",
		ui.Escape(i.target.account.Store), i.target.typed, i.target.typed)
}

// label is the mailbox, or the folder that is none on the server.
func (b *importedBox) label() string {
	if b.name == "" {
		return string(b.at)
	}
	return string(b.name)
}

// text says in a line what became of a mailbox.
func (b *importedBox) text() string {
	if b.name == "" {
		return "the server has no such mailbox any more; the next sync makes it anew. Delete the folder if it shall not"
	}
	counts := importedCountsOf(b.matched)
	parts := []string{fmt.Sprintf("%d known", counts.Known)}
	for _, part := range []struct {
		n    int
		text string
	}{
		{counts.Download, "to download"}, {counts.Upload, "to upload"}, {counts.Remove, "deleted on the server since"},
		{counts.KeptOnServer, "kept on the server only"}, {counts.KeptOnDisk, "kept on disk only"}, {counts.Stubs, "placeholders"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	text := strings.Join(parts, ", ")
	if b.renamedFrom != "" {
		text += fmt.Sprintf(" (the folder %s gets this name)", b.renamedFrom)
	}
	switch {
	case b.folder.Doubt != "":
		text += "; " + b.folder.Doubt + ": compared by content"
	case b.matched.Renumbered:
		text += fmt.Sprintf("; the server renumbered its messages (UIDVALIDITY %d -> %d): compared by content", b.folder.UIDValidity, b.status.UIDValidity)
	}
	return text
}

// lines explain what is not simply known.
func (c importedCounts) lines(tool string) []string {
	var lines []string
	add := func(n int, format string) {
		if n > 0 {
			lines = append(lines, fmt.Sprintf(format, humanize.Comma(int64(n))))
		}
	}
	add(c.Download, "the next sync downloads %s messages that are on the server only")
	add(c.CameBack, "  %s of them were deleted on disk since "+tool+" ran: to delete them on the server, too, let "+tool+" run once before this")
	add(c.Upload, "the next sync uploads %s messages that are on disk only")
	add(c.Remove, "the next sync moves %s files to the trash whose messages were deleted on the server (mailferry undo)")
	add(c.KeptOnServer, "%s messages stay on the server only, as "+tool+" was told (MaxMessages); mailferry backup brings them")
	add(c.KeptOnDisk, "%s files stay on disk only: the server's messages are gone")
	add(c.Stubs, "%s messages were only placeholders (MaxSize): they travel with the next sync, and the placeholders stay where they are")
	add(c.Contradicted, "%s records of "+tool+" are not true any more; their messages are taken to be new")
	return lines
}

func joinNames(names []mailbox.Name) string {
	const most = 10
	texts := make([]string, 0, most)
	for at, name := range names {
		if at == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		texts = append(texts, ui.Escape(string(name)))
	}
	return strings.Join(texts, ", ")
}
