package schedule

import (
	"fmt"
	"strings"
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
	var b strings.Builder
	fmt.Fprintf(&b, "%s; changes here are lost.\n# For your own: systemctl --user edit '%s.service'\n", Mark, j.UnitName())
	fmt.Fprintf(&b, "[Unit]\nDescription=mailferry, %s\n\n[Service]\nType=oneshot\n", strings.ReplaceAll(j.About(), "%", "%%"))
	for _, variable := range j.Env {
		fmt.Fprintf(&b, "Environment=%s\n", quoteUnit(variable, false))
	}
	b.WriteString("ExecStart=" + execLine(j.Argv) + "\n")
	b.WriteString("# 11: another run holds the store. 13: no network; the next run tries again.\n" +
		"SuccessExitStatus=11 13\n" +
		"# The first SIGTERM ends a run after the message at hand.\nKillMode=mixed\nTimeoutStopSec=2min\nNice=5\nLimitCORE=0\n")
	if j.Hardening.Basic {
		b.WriteString("NoNewPrivileges=yes\nLockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\n" +
			"SystemCallArchitectures=native\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n")
	}
	if j.Hardening.Namespaces {
		b.WriteString("PrivateUsers=yes\nProtectSystem=full\nProtectKernelTunables=yes\nProtectControlGroups=yes\n")
		if j.Hardening.PrivateTmp {
			b.WriteString("PrivateTmp=yes\n")
		}
	}
	return b.String()
}

// Timer is the unit that starts the service. A run that was due while the
// machine was off is made up for.
func (j Job) Timer() string {
	return fmt.Sprintf("%s; changes here are lost.\n[Unit]\nDescription=mailferry, %s: every %s\n\n"+
		"[Timer]\nOnCalendar=%s\nPersistent=true\nRandomizedDelaySec=%d\n\n[Install]\nWantedBy=timers.target\n",
		Mark, strings.ReplaceAll(j.About(), "%", "%%"), j.Every, j.Every.calendar, j.Jitter)
}

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
