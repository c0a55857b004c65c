package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
)

func newDoctorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [ACCOUNT... | DIR...]",
		Short: "Look what is wrong with an account, and say what mends it",
		Long: `Looks at everything that an account needs: the configuration, where the password
comes from, the server's name, port, certificate and login, what the server can do
and what is lost by what it cannot, the folder on disk and the disk under it, the
state, and the clock. Nothing is changed anywhere, and no password is shown.

Each line says ok, note, warning or error; behind a warning or an error is the line
that mends it. The exit code is 0 if all is fine, else that of the worst: 2
configuration, 10 not set up, 11 another run at work, 12 login, 13 network, 1 anything
else. Notes are not counted.`,
		Example: "  mailferry doctor\n" +
			"  mailferry doctor home -v      also what the server's extensions are used for",
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return status(a.doctor(cmd.Context(), args))
		},
	}
}

// grade says how good or bad a symptom is.
type grade string

// The grades.
const (
	good    grade = "ok"
	note    grade = "note"
	warning grade = "warning"
	bad     grade = "error"
)

// symptom is one line of doctor, and as JSON an object.
type symptom struct {
	Type    string `json:"type"`
	Account string `json:"account"`
	Check   string `json:"check"`
	Status  grade  `json:"status"`
	Text    string `json:"text"`
	// Fix is what mends it, "" where there is nothing to mend.
	Fix      string `json:"fix,omitempty"`
	ExitCode int    `json:"exit_code"`
}

// diagnosis is what doctor found so far.
type diagnosis struct {
	app    *app
	grades map[grade]int
	code   int
	// account is the one that is looked at, "" for none.
	account string
}

func (d *diagnosis) ok(check, format string, args ...any) {
	d.tell(symptom{Check: check, Status: good, Text: fmt.Sprintf(format, args...)})
}

func (d *diagnosis) note(check, format string, args ...any) {
	d.tell(symptom{Check: check, Status: note, Text: fmt.Sprintf(format, args...)})
}

func (d *diagnosis) warn(check string, code int, fix, format string, args ...any) {
	d.tell(symptom{Check: check, Status: warning, Text: fmt.Sprintf(format, args...), Fix: fix, ExitCode: code})
}

func (d *diagnosis) bad(check string, code int, fix, format string, args ...any) {
	d.tell(symptom{Check: check, Status: bad, Text: fmt.Sprintf(format, args...), Fix: fix, ExitCode: code})
}

// fail is bad with an error's own code and hint.
func (d *diagnosis) fail(check string, err error) {
	d.bad(check, exitCode(err), hintFor(err, "mailferry doctor "+d.account), "%v", err)
}

func (d *diagnosis) tell(f symptom) {
	f.Type, f.Account = "check", d.account
	d.grades[f.Status]++
	d.code = worse(d.code, f.ExitCode)
	switch isQuiet := d.app.flags.quiet; {
	case d.app.flags.json:
		ui.WriteJSON(d.app.out(), f)
	case !isQuiet || f.Status == warning || f.Status == bad:
		width := unwrapped
		if d.app.console.OutIsTerminal() {
			width = 100
		}
		writeSymptom(d.app.out(), f, width)
	}
}

const (
	// checkColumn is how wide the names of checks are.
	checkColumn = 14
	// unwrapped is for programs that read our lines.
	unwrapped = 1 << 20
)

func writeSymptom(w io.Writer, f symptom, width int) {
	first := fmt.Sprintf("  %-8s %-*s ", f.Status, checkColumn, f.Check)
	rest := fmt.Sprintf("  %-8s %-*s ", "", checkColumn, "")
	io.WriteString(w, ui.Wrap(first, rest, ui.Escape(f.Text), width))
	if f.Fix != "" {
		io.WriteString(w, ui.Lines(rest+"-> ", rest+"   ", f.Fix))
	}
}

// doctor looks at accounts and returns the exit code.
func (a *app) doctor(ctx context.Context, args []string) int {
	ctx, release := a.untilStopped(ctx)
	defer release()
	d := &diagnosis{app: a, grades: map[grade]int{}}
	targets := d.configuration(ctx, args)
	for i, t := range targets {
		if ctx.Err() != nil {
			d.code = worse(d.code, exitInterrupted)
			break
		}
		d.account = t.account.Name
		if !a.flags.json && !a.flags.quiet {
			if i > 0 {
				fmt.Fprintln(a.out())
			}
			fmt.Fprintf(a.out(), "%s  %s\n", ui.Escape(t.account.Name), ui.Escape(identityURL(t.account)))
		}
		(&checkup{diagnosis: d, target: t, account: t.account}).run(ctx)
	}
	if a.flags.json {
		ui.WriteJSON(a.out(), map[string]any{
			"type": "summary", "schema_version": ui.SchemaVersion, "command": "doctor", "accounts": len(targets),
			"ok": d.grades[good], "notes": d.grades[note], "warnings": d.grades[warning], "errors": d.grades[bad], "exit_code": d.code,
		})
	} else if !a.flags.quiet {
		fmt.Fprintf(a.out(), "%s\n", d.verdict())
	}
	return d.code
}

func (d *diagnosis) verdict() string {
	if d.grades[warning]+d.grades[bad] == 0 {
		return "all is well"
	}
	return fmt.Sprintf("errors: %d, warnings: %d", d.grades[bad], d.grades[warning])
}

// configuration reads the file and finds the accounts.
func (d *diagnosis) configuration(ctx context.Context, args []string) []target {
	const check = "configuration"
	if _, err := d.app.loadConfig(); err != nil {
		errs := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			errs = joined.Unwrap()
		}
		for _, err := range errs {
			d.bad(check, exitUsage, config.HintOf(err), "%v", err)
		}
		return nil
	}
	targets, err := d.app.targets(ctx, args, false)
	if err != nil {
		d.fail(check, err)
		return nil
	}
	if path := d.app.config.Path; path != "" {
		if d.checkFileMode(check, path, 0o022, "others can change it, and with it the commands that it runs") {
			d.ok(check, "%s", path)
		}
	}
	return targets
}

// checkup looks at one account, from the configuration to the mail.
type checkup struct {
	*diagnosis
	target  target
	account config.Account
}

// checkPatience bounds what waits for the network in one account.
const checkPatience = 2 * time.Minute

func (c *checkup) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	if c.target.err != nil {
		c.fail("store", c.target.err)
		return
	}
	c.checkCommands()
	c.checkMode()
	if !hasServer(c.account) {
		c.fail("server", noServer(c.account))
	} else if password := c.checkPassword(ctx); c.checkReach(ctx) {
		c.checkServer(ctx, password)
	}
	c.checkDisk()
	if c.checkStore(ctx) {
		c.checkState(ctx)
		c.checkMaildir(ctx)
	}
}

// checkMode looks whether a run would be refused as it is configured.
func (c *checkup) checkMode() {
	j := job{target: c.target, command: c.account.Mode}
	if err := j.refusePOP3(c.account); err != nil {
		c.fail("mode", err)
	}
	if c.account.Mode == config.ModeArchive && !c.account.Archive.IsLimited() {
		c.bad("mode", exitUsage, "[accounts."+c.account.Name+".archive]\nolder_than = \"30d\"", "archive has no limit: unattended runs are refused")
	}
}
