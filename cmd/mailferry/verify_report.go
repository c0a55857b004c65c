package main

import (
	"cmp"
	"fmt"
	"time"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/verify"
)

// concludeVerification tells what was found.
func (a *app) concludeVerification(v *verification, err error) ui.Summary {
	a.console.EndProgress()
	a.telling.Lock()
	defer a.telling.Unlock()
	end := ui.Verification{
		Account: v.account, Quick: v.flags.quick, Sample: v.flags.sample, Traffic: v.traffic,
		Duration: time.Since(v.started), ExitCode: exitCode(err),
	}
	for _, one := range v.findings {
		end.Compared = append(end.Compared, one.compared())
		end.Reports = append(end.Reports, one.report)
	}
	if err == nil && end.Losses() > 0 {
		end.ExitCode = exitDifferent
	}
	if err == nil && v.flags.html != "" {
		if err = a.writeProof(v, end); err != nil {
			end.ExitCode = exitCode(err)
		}
	}
	if err != nil {
		end.Err = err.Error()
	}
	a.tellVerification(v, end)
	switch {
	case err != nil:
		text := err.Error()
		if end.ExitCode == exitInterrupted {
			text = "interrupted; the next verification goes on where this one stopped"
		}
		a.console.Error(v.account+": "+text, hintFor(err, v.again))
	case end.ExitCode == exitDifferent:
		a.console.Error(v.account+": "+end.Verdict(), v.hint())
	}
	summary := ui.Summary{Account: v.account, Command: "verify", Duration: end.Duration, ExitCode: end.ExitCode, Err: end.Err, Trouble: end.Err}
	summary.Traffic = end.Traffic
	if end.ExitCode == exitDifferent {
		summary.Trouble = end.Verdict()
	}
	return summary
}

func (f finding) compared() string { return f.here + " and " + f.there }

// tellVerification writes differences and the verdict to stdout.
func (a *app) tellVerification(v *verification, end ui.Verification) {
	if a.flags.json {
		out := ui.NewJSON(a.out(), v.account)
		for _, note := range v.notes {
			out.Notice("", note)
		}
		for i, r := range end.Reports {
			for _, d := range r.Differences {
				out.Difference(end.Compared[i], d)
			}
		}
		out.Verification(end)
		return
	}
	if a.flags.quiet {
		return
	}
	for i, r := range end.Reports {
		if len(r.Differences) > 0 && len(end.Reports) > 1 {
			fmt.Fprintln(a.out(), ui.Escape(end.Compared[i])+":")
		}
		for _, d := range r.Differences {
			if d.Kind.IsLoss() || a.flags.verbose > 0 || end.ExitCode != exitDone {
				fmt.Fprintln(a.out(), ui.DifferenceLine(d))
			}
		}
	}
	if end.ExitCode == exitDone && a.flags.verbose == 0 && !a.console.OutIsTerminal() {
		return
	}
	for _, line := range append(v.notes, end.Asides()...) {
		fmt.Fprintln(a.out(), ui.Escape(v.account)+": "+ui.Escape(line))
	}
	fmt.Fprintf(a.out(), "%s: verify: %s (%s)\n", ui.Escape(v.account), ui.Escape(end.Verdict()), end.Duration.Round(10*time.Millisecond))
}

// hint says what to do about the gravest kind of difference.
func (v *verification) hint() string {
	counts := map[verify.Kind]int{}
	ownServer := false
	for _, one := range v.findings {
		ownServer = ownServer || one.ownServer
		for _, d := range one.report.Differences {
			counts[d.Kind]++
		}
	}
	again := cmp.Or(v.typed, v.account)
	switch {
	case counts[verify.Damaged] > 0 && ownServer:
		return "a damaged file that the server still has: move it out of the store, then: mailferry backup " + again
	case counts[verify.Damaged] > 0:
		return "take the damaged messages from another copy; is the disk failing?"
	case counts[verify.MissingHere] > 0 && ownServer:
		return "bring what is missing here: mailferry backup " + again
	case counts[verify.MissingThere] > 0 && !ownServer && v.flags.against != "":
		return fmt.Sprintf("upload what is missing there: mailferry restore %s --to %s", again, quoted(v.flags.against))
	case ownServer:
		return "make both the same: mailferry sync " + again + " --dry-run"
	}
	return "mailferry help verify explains each kind"
}
