//go:build long

package ui

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/verify"
)

// TestProofRendersInABrowser opens a page with hostile text in Chromium
// (Debian's package chromium): at desk and phone width, dark and light, without
// a word in the console and without anything of the mail's running.
func TestProofRendersInABrowser(t *testing.T) {
	const markup = `</td><script>document.title="run"</script><img src=x onerror="document.title='run'">`
	v := someVerification()
	v.Account = markup
	v.Reports[0].Mailboxes[0].Name = mailbox.Name(markup)
	v.Reports[0].Differences[0] = verify.Difference{Kind: verify.Octets, Mailbox: mailbox.Name(markup), Subject: markup, Detail: markup}
	page, err := NewProof(v, "mailferry 1.0", "/mail", []string{markup}, time.Unix(1e9, 0)).WriteHTML()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "proof.html")
	// The probe tells what the browser made of the page.
	probe := `<script>addEventListener("load",()=>{const d=document;d.body.dataset.probe=[d.title.slice(0,6),d.images.length,d.documentElement.scrollWidth<=innerWidth,d.querySelectorAll("rect").length,getComputedStyle(d.body).backgroundColor].join("|")})</script></body>`
	page = bytes.Replace(page, []byte("default-src 'none';"), []byte("default-src 'none'; script-src 'unsafe-inline';"), 1)
	page = bytes.Replace(page, []byte("</body>"), []byte(probe), 1)
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{500, 1280} { // headless Chromium has no narrower window than 500
		for scheme, background := range map[string]string{"": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 31)"} {
			t.Run(fmt.Sprint(width, scheme), func(t *testing.T) {
				dom, console := browse(t, file, width, scheme == "dark")
				if strings.Contains(console, "CONSOLE") {
					t.Errorf("the console says\n%s", console)
				}
				want := `data-probe="Proof:|0|true|6|` + background + `"`
				if !strings.Contains(dom, want) {
					t.Errorf("the browser says %q, want %q", probeOf(dom), want)
				}
			})
		}
	}
}

func probeOf(dom string) string {
	_, rest, _ := strings.Cut(dom, "data-probe=")
	probe, _, _ := strings.Cut(rest, ">")
	return probe
}

// browse returns the page as the browser has it, and what it logged.
func browse(t *testing.T, file string, width int, dark bool) (dom, console string) {
	t.Helper()
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--user-data-dir=" + t.TempDir(),
		fmt.Sprintf("--window-size=%d,900", width), "--dump-dom",
	}
	if dark {
		args = append(args, "--blink-settings=preferredColorScheme=0")
	} else {
		args = append(args, "--blink-settings=preferredColorScheme=1")
	}
	cmd := exec.Command("chromium", append(args, "file://"+file)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, log.String())
	}
	return string(out), log.String()
}
