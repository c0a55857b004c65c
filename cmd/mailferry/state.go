package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/ui"
	"mailferry/state"
)

func newStateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "state [ACCOUNT | DIR]",
		Short:             "Show what server and disk last agreed on",
		Long:              "Shows a store's marker, its mailboxes and its last runs.\nmailferry help state explains the words.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.oneTarget(cmd.Context(), args)
			if err != nil {
				return err
			}
			overview, err := a.overview(cmd.Context(), t)
			if err != nil {
				a.console.Error(t.account.Name+": "+err.Error(), hintFor(err, "mailferry state "+t.typed))
				return status(exitCode(err))
			}
			if a.flags.json {
				a.overviewJSON(t, overview)
				return nil
			}
			return a.overviewText(t, overview)
		},
	}
}

// overview reads the state beside a run that may be under way.
func (a *app) overview(ctx context.Context, t target) (state.Overview, error) {
	if t.err != nil {
		return state.Overview{}, t.err
	}
	store, err := a.openBeside(ctx, t)
	if err != nil {
		return state.Overview{}, err
	}
	overview, err := store.Overview(ctx)
	return overview, errors.Join(err, store.Close())
}

func (a *app) overviewText(t target, o state.Overview) error {
	w := tabwriter.NewWriter(a.out(), 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "account\t%s\n", ui.Escape(t.account.Name))
	fmt.Fprintf(w, "server\t%s\n", ui.Escape(o.Marker.URL))
	fmt.Fprintf(w, "store\t%s (%s, %s)\n", ui.Escape(o.Dir), o.Marker.Layout, o.Marker.UUID)
	fmt.Fprintf(w, "made\t%s\n", o.Marker.Created.Local().Format(time.DateTime))
	fmt.Fprintf(w, "state\t%s, schema %d, generation %d, %s\n", humanize.IBytes(uint64(max(0, o.Size))), o.Version, o.Generation, cleanText(o.Clean))
	if o.Rebuilt != "" {
		fmt.Fprintf(w, "damaged\t%s: the next run builds it anew\n", ui.Escape(o.Rebuilt))
	}
	fmt.Fprintln(w, "\nMAILBOX\tLINKS\tUIDVALIDITY\tUIDNEXT\tHIGHESTMODSEQ")
	for _, m := range o.Mailboxes {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", ui.Escape(string(m.Name)), m.Links, m.Remote.UIDValidity, m.Remote.UIDNext, m.Remote.HighestModSeq)
	}
	fmt.Fprintln(w, "\nRUN\tCOMMAND\tTOOK\tRESULT")
	for _, run := range o.Runs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", run.Started.Local().Format(time.DateTime), run.Command, took(run), ui.Escape(resultText(run)))
	}
	return w.Flush()
}

func cleanText(clean bool) string {
	if clean {
		return "in order"
	}
	return "a run is under way or was cut short"
}

func took(run state.Run) string {
	if run.Ended.IsZero() {
		return "-"
	}
	return run.Ended.Sub(run.Started).Round(10 * time.Millisecond).String()
}

func resultText(run state.Run) string {
	switch {
	case run.Ended.IsZero():
		return "not ended"
	case run.Error != "":
		return run.Error
	case !run.OK:
		return "not everything was done"
	}
	return "done"
}

type mailboxObject struct {
	Type          string         `json:"type"`
	Account       string         `json:"account"`
	Mailbox       string         `json:"mailbox"`
	Links         int            `json:"links"`
	Kinds         map[string]int `json:"kinds"`
	UIDValidity   uint32         `json:"uidvalidity"`
	UIDNext       uint32         `json:"uidnext"`
	HighestModSeq uint64         `json:"highestmodseq"`
	Messages      uint32         `json:"messages"`
	HasRemote     bool           `json:"has_remote"`
	HasLocal      bool           `json:"has_local"`
}

type runObject struct {
	Type    string    `json:"type"`
	Account string    `json:"account"`
	Command string    `json:"command"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	OK      bool      `json:"ok"`
	Error   string    `json:"error,omitempty"`
}

type storeObject struct {
	Type          string    `json:"type"`
	SchemaVersion int       `json:"schema_version"`
	Account       string    `json:"account"`
	URL           string    `json:"url"`
	Store         string    `json:"store"`
	Layout        string    `json:"layout"`
	UUID          string    `json:"uuid"`
	Created       time.Time `json:"created"`
	Size          int64     `json:"size"`
	Version       int       `json:"version"`
	Generation    int64     `json:"generation"`
	Clean         bool      `json:"clean"`
	Damaged       string    `json:"damaged,omitempty"`
	Mailboxes     int       `json:"mailboxes"`
	Links         int       `json:"links"`
}

// overviewJSON writes mailboxes and runs, and the store as the last object.
func (a *app) overviewJSON(t target, o state.Overview) {
	links := 0
	for _, m := range o.Mailboxes {
		kinds := map[string]int{}
		for kind, n := range m.Kinds {
			kinds[kind.String()] = n
		}
		links += m.Links
		ui.WriteJSON(a.out(), mailboxObject{
			Type: "mailbox", Account: t.account.Name, Mailbox: string(m.Name), Links: m.Links, Kinds: kinds,
			UIDValidity: uint32(m.Remote.UIDValidity), UIDNext: uint32(m.Remote.UIDNext),
			HighestModSeq: uint64(m.Remote.HighestModSeq), Messages: m.Remote.Messages,
			HasRemote: m.HasRemote, HasLocal: m.HasLocal,
		})
	}
	for _, run := range o.Runs {
		ui.WriteJSON(a.out(), runObject{
			Type: "run", Account: t.account.Name, Command: run.Command, Started: run.Started, Ended: run.Ended, OK: run.OK, Error: run.Error,
		})
	}
	ui.WriteJSON(a.out(), storeObject{
		Type: "state", SchemaVersion: ui.SchemaVersion, Account: t.account.Name, URL: o.Marker.URL, Store: o.Dir,
		Layout: o.Marker.Layout, UUID: o.Marker.UUID, Created: o.Marker.Created, Size: o.Size, Version: o.Version,
		Generation: o.Generation, Clean: o.Clean, Damaged: o.Rebuilt, Mailboxes: len(o.Mailboxes), Links: links,
	})
}
