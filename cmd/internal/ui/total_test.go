package ui

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailferry/syncer"
)

func total() Total {
	t := Total{Command: "run", Duration: time.Second, ExitCode: 12}
	for i := range 15 {
		one := Summary{Account: fmt.Sprint("a", i), Command: "backup", Summary: syncer.Summary{Downloaded: 2}}
		if i >= 3 {
			one.ExitCode, one.Trouble = 12, "=cmd() \x1b[2J \u202e, \"no\""
		}
		t.Accounts = append(t.Accounts, one)
	}
	return t
}

func TestReportsAreWhatTheirNamesSayAndHarmless(t *testing.T) {
	var document, table, sheet bytes.Buffer
	for _, err := range []error{total().WriteJSON(&document), total().WriteTable(&table), total().WriteCSV(&sheet)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var parsed struct {
		Type     string
		NotDone  int `json:"not_done"`
		Outcomes []struct{ Account, Error string }
	}
	if err := json.Unmarshal(document.Bytes(), &parsed); err != nil || parsed.Type != "total" || parsed.NotDone != 12 || len(parsed.Outcomes) != 15 {
		t.Errorf("%v, %+v", err, parsed)
	}
	if parsed.Outcomes[14].Error != total().Accounts[14].Trouble {
		t.Errorf("%q", parsed.Outcomes[14].Error)
	}
	for _, text := range []string{document.String(), table.String(), sheet.String()} {
		if strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), isUnsafe) {
			t.Errorf("%q", text)
		}
	}
	rows, err := csv.NewReader(&sheet).ReadAll()
	if err != nil || len(rows) != 16 || rows[0][0] != "account" || !strings.HasPrefix(rows[15][10], "'=cmd()") {
		t.Errorf("%v, %q", err, rows)
	}
}

func TestTotalNamesTheFirstThatFailed(t *testing.T) {
	want := "15 accounts: 3 done, 12 not (exit codes: a3 12, a4 12, a5 12, a6 12, a7 12, a8 12, a9 12, a10 12, a11 12, a12 12, 2 more); 30 downloaded, 0 uploaded (0 B down, 0 B up, 1s)"
	if got := total().String(); got != want {
		t.Errorf("%s", got)
	}
}
