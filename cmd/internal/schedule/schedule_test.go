package schedule

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func job(t *testing.T, account string) Job {
	t.Helper()
	every, err := ParseEvery(10 * time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return Job{
		Account: account, Argv: []string{"/bin/true", "--config", `/home/me/50% "of" $it \ 'all'`, "run"},
		Env: []string{"PATH=/usr/bin:/my bin", "X=100%"}, Every: every, Jitter: 60,
		Hardening: Hardening{Basic: true, Namespaces: true, PrivateTmp: true},
	}
}

func TestOtherLinesOfACrontabStayToTheOctet(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "lines": "MAILTO=me\n# a comment\n5 4 * * * backup 100\\%\n", "CRLF": "a\r\n\r\nb\r\n", "odd": "\xff\x00 \t\n\n\n",
	} {
		c, err := ParseCrontab(text)
		if err != nil {
			t.Fatal(err)
		}
		c.Set(job(t, ""))
		c.Set(job(t, "home"))
		with := c.String()
		with = text + strings.TrimPrefix(with, text) + "later = 1\n"
		if c, err = ParseCrontab(with); err != nil || len(c.Entries()) != 2 {
			t.Fatalf("%s: %v, %d entries", name, err, len(c.Entries()))
		}
		if !c.Remove("") || c.Remove("") || !c.Remove("home") {
			t.Errorf("%s: what is there is not removed once", name)
		}
		if got := c.String(); got != text+"later = 1\n" {
			t.Errorf("%s: %q became %q", name, text+"later = 1\n", got)
		}
	}
}

func TestALineWithoutAnEndDoesNotBecomeOneWithOurs(t *testing.T) {
	c, err := ParseCrontab("1 2 3 4 5 last")
	if err != nil {
		t.Fatal(err)
	}
	c.Set(job(t, ""))
	if !strings.HasPrefix(c.String(), "1 2 3 4 5 last\n# BEGIN mailferry") {
		t.Errorf("%q", c.String())
	}
}

func TestABlockThatSomebodyTookApartIsNotTouched(t *testing.T) {
	for _, text := range []string{
		"# BEGIN mailferry\n1 * * * * x\n", "# END mailferry\n", "# BEGIN mailferry\n# END mailferry\n# BEGIN mailferry\n# END mailferry\n",
		"# BEGIN mailferry\n# BEGIN mailferry\n# END mailferry\n",
	} {
		if _, err := ParseCrontab(text); !errors.Is(err, ErrBlock) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The shell gets from a cron line what was meant: cron turns \% into %.
func TestCronLineSurvivesCronAndShell(t *testing.T) {
	j := job(t, "home")
	j.Argv = append([]string{"/usr/bin/printf", "%s|"}, j.Argv[1:]...)
	command, found := strings.CutPrefix(j.CronLine(), "*/10 * * * * ")
	if !found || strings.Contains(strings.ReplaceAll(command, `\%`, ""), "%") {
		t.Fatalf("%q", j.CronLine())
	}
	out, err := exec.Command("sh", "-c", strings.ReplaceAll(command, `\%`, "%")).Output()
	if want := `--config|/home/me/50% "of" $it \ 'all'|run|`; err != nil || string(out) != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
}

func TestUnitsPassSystemdsOwnCheck(t *testing.T) {
	for _, account := range []string{"", "me+x@example.com"} {
		j := job(t, account)
		units := map[string]string{j.UnitName() + ".service": j.Service(), j.UnitName() + ".timer": j.Timer()}
		for name, text := range units {
			if !strings.HasPrefix(text, Mark) {
				t.Errorf("%s does not begin with the mark: %q", name, text)
			}
		}
		pleaseSystemd(t, units)
	}
	pleaseSystemd(t, PackagedUnits("/bin/true"))
}

func pleaseSystemd(t *testing.T, units map[string]string) {
	t.Helper()
	dir := t.TempDir()
	check := []string{"verify", "--user", "--man=no"}
	for name, text := range units {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		check = append(check, path)
	}
	verify := exec.Command("systemd-analyze", check...)
	verify.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	out, err := verify.CombinedOutput()
	if err != nil || strings.Contains(string(out), UnitPrefix) {
		t.Errorf("%v\n%s", err, out)
	}
}

// What a package installs is what schedule installs, for whichever account.
func TestPackagedUnitsAreThoseOfSchedule(t *testing.T) {
	every, err := ParseEvery(10 * time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	j := Job{
		Account: "ACCOUNT", Argv: []string{"/usr/bin/mailferry", "run", "ACCOUNT", "--no-input", "--quiet-offline"},
		Every: every, Jitter: 60, Hardening: Hardening{Basic: true},
	}
	body := func(text string) string {
		return strings.ReplaceAll(text[strings.Index(text, "[Unit]"):], "%i", "ACCOUNT")
	}
	packaged := PackagedUnits("/usr/bin/mailferry")
	for kind, text := range map[string]string{".service": j.Service(), ".timer": j.Timer()} {
		if got := packaged["mailferry@"+kind]; body(got) != body(text) || !strings.Contains(got, "%i") {
			t.Errorf("the package's %s\n%s\nis not schedule's\n%s", kind, got, text)
		}
	}
}

func TestServiceLine(t *testing.T) {
	j := job(t, "home")
	for _, want := range []string{
		"ExecStart=/bin/true --config \"/home/me/50%% \\\"of\\\" $$it \\\\ 'all'\" run\n", "Environment=\"PATH=/usr/bin:/my bin\"\n",
		"Environment=X=100%%\n", "NoNewPrivileges=yes\n", "ProtectSystem=full\n", "PrivateTmp=yes\n", "SuccessExitStatus=11 13\n",
	} {
		if !strings.Contains(j.Service(), want) {
			t.Errorf("%q is missing:\n%s", want, j.Service())
		}
	}
	j.Hardening = Hardening{}
	for _, unwanted := range []string{"NoNewPrivileges", "ProtectSystem", "PrivateTmp", "PrivateUsers"} {
		if strings.Contains(j.Service(), unwanted) {
			t.Errorf("%s was not asked for", unwanted)
		}
	}
}

func TestEvery(t *testing.T) {
	for span, want := range map[string]string{
		"1m": "*:0/1 | * * * * *", "10m": "*:0/10 | */10 * * * *", "1h": "hourly | 0 * * * *", "6h": "*-*-* 00/6:00:00 | 0 */6 * * *",
		"24h": "daily | 0 0 * * *", "168h": "weekly | 0 0 * * 1", "7m": "", "90m": "", "5h": "", "30s": "", "0s": "", "-10m": "", "48h": "", "10m30s": "",
	} {
		d, err := time.ParseDuration(span)
		if err != nil {
			t.Fatal(err)
		}
		every, err := ParseEvery(d)
		got := ""
		if err == nil {
			got = every.calendar + " | " + every.cron
			check := exec.Command("systemd-analyze", "calendar", every.calendar)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %s", span, out)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", span, got, want)
		}
	}
}
