package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/ui"
)

// Set by the linker in releases.
var (
	version string
	commit  string
	date    string
)

type versionObject struct {
	Type          string `json:"type"`
	SchemaVersion int    `json:"schema_version"`
	Version       string `json:"version"`
	Commit        string `json:"commit"`
	Date          string `json:"date"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			if a.flags.json {
				ui.WriteJSON(a.out(), v)
				return nil
			}
			_, err := fmt.Fprintf(a.out(), "mailferry %s\ncommit %s\n%s %s\n", v.Version, v.Commit, v.Go, v.Platform)
			return err
		},
	}
}

// buildVersion takes what the linker did not set from the build's own record.
func buildVersion() versionObject {
	v := versionObject{
		Type: "version", SchemaVersion: ui.SchemaVersion, Version: version, Commit: commit, Date: date,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				v.Commit = cmp.Or(v.Commit, setting.Value)
			case "vcs.time":
				v.Date = cmp.Or(v.Date, setting.Value)
			}
		}
		v.Version = cmp.Or(v.Version, info.Main.Version)
	}
	v.Version = cmp.Or(v.Version, "(devel)")
	v.Commit = cmp.Or(v.Commit, "unknown")
	return v
}
