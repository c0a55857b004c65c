//go:build long

package ui

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMergePageRendersInABrowser opens a page with hostile text in Chromium: at
// desk and phone width, dark and light.
func TestMergePageRendersInABrowser(t *testing.T) {
	var page bytes.Buffer
	if err := MergePage(&page, someMerge(), hostileMail); err != nil {
		t.Fatal(err)
	}
	probe := `<script>addEventListener("load",()=>{const d=document;d.body.dataset.probe=[d.title,d.images.length,d.documentElement.scrollWidth<=innerWidth,d.querySelectorAll("rect").length,getComputedStyle(d.body).backgroundColor].join("|")})</script></body>`
	text := bytes.Replace(page.Bytes(), []byte("default-src 'none';"), []byte("default-src 'none'; script-src 'unsafe-inline';"), 1)
	text = bytes.Replace(text, []byte("</body>"), []byte(probe), 1)
	file := filepath.Join(t.TempDir(), "merge.html")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{500, 1280} {
		for scheme, background := range map[string]string{"": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 31)"} {
			t.Run(fmt.Sprint(width, scheme), func(t *testing.T) {
				dom, console := browse(t, file, width, scheme == "dark")
				if strings.Contains(console, "CONSOLE") {
					t.Errorf("the console says\n%s", console)
				}
				if want := `data-probe="Who has what|0|true|3|` + background + `"`; !strings.Contains(dom, want) {
					t.Errorf("the browser says %q, want %q", probeOf(dom), want)
				}
			})
		}
	}
}
