package main

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe"

	"mailferry/cmd/internal/ui"
)

// writeReport writes what became of each account: JSON, CSV or a table, as the
// file's name says. It is replaced in one step.
func (a *app) writeReport(path string, total ui.Total) error {
	var b bytes.Buffer
	var err error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		err = total.WriteJSON(&b)
	case ".csv":
		err = total.WriteCSV(&b)
	default:
		err = total.WriteTable(&b)
	}
	if err != nil {
		return err
	}
	if path == "-" {
		_, err = a.out().Write(b.Bytes())
		return err
	}
	return maybe.WriteFile(path, b.Bytes(), 0o644)
}

// firstTrouble is what went wrong, in a line without the account's name.
func firstTrouble(account string, blocks []block) string {
	if len(blocks) == 0 {
		return ""
	}
	text := strings.TrimPrefix(blocks[0].message, account+": ")
	return strings.Join(strings.Fields(text), " ")
}
