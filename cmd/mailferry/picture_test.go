package main

import (
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const picturePath = "../../testdata/readme/demo.svg"

// TestReadmePictureIsARealRun draws what `mailferry demo` prints and compares it
// with the README's picture. MAILFERRY_UPDATE=1 writes it anew.
func TestReadmePictureIsARealRun(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(builtProgram(t), "demo", filepath.Join(dir, "Mail"))
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	drawn := draw(demoLines(string(output), dir))
	if os.Getenv("MAILFERRY_UPDATE") != "" {
		if err := os.WriteFile(picturePath, []byte(drawn), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(picturePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(stored) != drawn {
		t.Errorf("the demo prints something else than the README shows (MAILFERRY_UPDATE=1 draws it anew):\n%s", output)
	}
}

// What differs from run to run is not shown: ports, octets and times.
var (
	changing = regexp.MustCompile(` on 127\.0\.0\.1:\d+| \(\d+ mailboxes, [^)]*\)|  \d+ B$`)
	isAction = regexp.MustCompile(`^     [a-z-]+ +\S`)
)

// demoLines are the lines of a demo as the picture has them: those of one run
// sorted, since connections work side by side, and the long first list cut.
func demoLines(output, dir string) []string {
	var lines, actions []string
	flush := func() {
		slices.Sort(actions)
		if len(actions) > 7 {
			actions = append(actions[:6:6], fmt.Sprintf("     ... and %d more", len(actions)-6))
		}
		lines = append(lines, actions...)
		actions = nil
	}
	for line := range strings.SplitSeq(output, "\n") {
		line = changing.ReplaceAllString(strings.ReplaceAll(line, dir, "~"), "")
		if isAction.MatchString(line) && !strings.HasPrefix(line, "     server:") && !strings.HasPrefix(line, "     disk:") {
			actions = append(actions, line)
			continue
		}
		flush()
		if strings.HasPrefix(line, "The mail is in") {
			break
		}
		lines = append(lines, line)
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// The picture's measures, in pixels, and its length in seconds.
const (
	lineHeight = 18
	margin     = 16
	pictureEnd = 20.0
)

// draw makes an SVG of a terminal in which the lines appear one by one. Who
// wants no motion sees them all.
func draw(lines []string) string {
	lines = append([]string{"$ mailferry demo ~/Mail"}, lines...)
	var wrapped []string
	for _, line := range lines {
		wrapped = append(wrapped, wrap(line, 96)...)
	}
	height := 2*margin + lineHeight*len(wrapped)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 %d" role="img" aria-label="What mailferry demo prints">
<style>
text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d8dee9; white-space: pre; }
.step { fill: #ffffff; font-weight: bold; }
.sum { fill: #a3d977; }
@media (prefers-reduced-motion: no-preference) {
  text { opacity: 0; animation: show .3s forwards; }
  @keyframes show { to { opacity: 1; } }
}
</style>
<rect width="800" height="%d" rx="8" fill="#1e222a"/>
`, height, height)
	for i, line := range wrapped {
		class := ""
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "$"), len(line) > 1 && line[1] == '.':
			class = ` class="step"`
		case strings.HasPrefix(trimmed, "= "):
			class = ` class="sum"`
		}
		at := pictureEnd * float64(i) / float64(len(wrapped))
		fmt.Fprintf(&b, `<text x="%d" y="%d"%s style="animation-delay:%.1fs">%s</text>`+"\n",
			margin, margin+lineHeight*i+13, class, at, html.EscapeString(line))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// wrap breaks a line at spaces, the rest indented like the line and a little more.
func wrap(line string, width int) []string {
	var list []string
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+2)
	for len(line) > width {
		at := strings.LastIndexByte(line[:width], ' ')
		if at <= len(indent) {
			break
		}
		list, line = append(list, line[:at]), indent+line[at+1:]
	}
	return append(list, line)
}
