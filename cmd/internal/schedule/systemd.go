package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Mark begins every unit of ours: only such units are replaced and removed.
const Mark = "# Written by: mailferry schedule install"

// UnitPrefix begins the names of our units.
const UnitPrefix = "mailferry"

// UnitName is a job's name without ".service" or ".timer".
func (j Job) UnitName() string {
	if j.Account == "" {
		return UnitPrefix
	}
	return UnitPrefix + "-" + escapeUnit(j.Account)
}

// escapeUnit escapes what a unit's name must not have, as systemd-escape does.
func escapeUnit(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// Service is the unit that runs the job once.
func (j Job) Service() string {
	var how strings.Builder
	for _, variable := range j.Env {
		fmt.Fprintf(&how, "Environment=%s\n", quoteUnit(variable, false))
	}
	how.WriteString("ExecStart=" + execLine(j.Argv))
	head := fmt.Sprintf("%s; changes here are lost.\n# For your own: systemctl --user edit '%s.service'", Mark, j.UnitName())
	return serviceText(head, literal(j.About()), how.String(), j.Hardening)
}

// Timer is the unit that starts the service. A run that was due while the
// machine was off is made up for.
func (j Job) Timer() string {
	return timerText(Mark+"; changes here are lost.", literal(j.About()), j.Every, j.Jitter)
}

// PackagedUnits are units for any account of the configuration, by their names,
// as packages install them: the account is the name behind the @.
func PackagedUnits(program string) map[string]string {
	about := Job{Account: "%i"}.About()
	every, _ := ParseEvery(10 * time.Minute) // it divides an hour
	return map[string]string{
		UnitPrefix + "@.service": serviceText("# One run of an account of the configuration: systemctl --user start mailferry@home",
			about, "ExecStart="+program+" run %i --no-input --quiet-offline", Hardening{Basic: true}),
		UnitPrefix + "@.timer": timerText("# Every ten minutes: systemctl --user enable --now mailferry@home.timer", about, every, 60),
	}
}

func serviceText(head, about, how string, hardening Hardening) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n[Unit]\nDescription=mailferry, %s\n\n[Service]\nType=oneshot\n%s\n", head, about, how)
	b.WriteString("# 11: another run holds the store. 13: no network; the next run tries again.\n" +
		"SuccessExitStatus=11 13\n" +
		"# The first SIGTERM ends a run after the message at hand.\nKillMode=mixed\nTimeoutStopSec=2min\nNice=5\nLimitCORE=0\n")
	if hardening.Basic {
		b.WriteString("NoNewPrivileges=yes\nLockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\n" +
			"SystemCallArchitectures=native\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n")
	}
	if hardening.Namespaces {
		b.WriteString("PrivateUsers=yes\nProtectSystem=full\nProtectKernelTunables=yes\nProtectControlGroups=yes\n")
		if hardening.PrivateTmp {
			b.WriteString("PrivateTmp=yes\n")
		}
	}
	return b.String()
}

func timerText(head, about string, every Every, jitter int) string {
	return fmt.Sprintf("%s\n[Unit]\nDescription=mailferry, %s: every %s\n\n"+
		"[Timer]\nOnCalendar=%s\nPersistent=true\nRandomizedDelaySec=%d\n\n[Install]\nWantedBy=timers.target\n",
		head, about, every, every.calendar, jitter)
}

// literal is text in which systemd sees no specifiers. (systemd.unit(5))
func literal(text string) string { return strings.ReplaceAll(text, "%", "%%") }

func execLine(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		// The program's path knows no $: it is not a variable there.
		words[i] = quoteUnit(word, i > 0)
	}
	return strings.Join(words, " ")
}

// quoteUnit writes a word so that systemd reads it as it is. (systemd.service(5),
// "Command lines")
func quoteUnit(word string, dollars bool) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "%", "%%").Replace(word)
	if dollars {
		word = strings.ReplaceAll(word, "$", "$$")
	}
	if word == "" || strings.ContainsAny(word, " \t'\";\\") {
		return `"` + word + `"`
	}
	return word
}
