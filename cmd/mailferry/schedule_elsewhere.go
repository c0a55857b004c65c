package main

import (
	"fmt"
	"strings"
)

// elsewhere says how to run mailferry regularly on a system that it does not
// set up: macOS (launchd) and Windows (Task Scheduler).
func elsewhere(goos, program string) string {
	if goos == "windows" {
		return fmt.Sprintf(`have the Task Scheduler run it every ten minutes:
schtasks /Create /TN mailferry /SC MINUTE /MO 10 /TR "\"%s\" run --no-input --quiet-offline"
and to end that: schtasks /Delete /TN mailferry`, program)
	}
	var arguments strings.Builder
	for _, word := range []string{program, "run", "--no-input", "--quiet-offline"} {
		fmt.Fprintf(&arguments, "    <string>%s</string>\n", strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(word))
	}
	return `have launchd run it every ten minutes: write this to ~/Library/LaunchAgents/mailferry.plist
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>Label</key><string>mailferry</string>
  <key>ProgramArguments</key><array>
` + arguments.String() + `  </array>
  <key>StartInterval</key><integer>600</integer>
</dict></plist>
then: launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/mailferry.plist
and to end that: launchctl bootout gui/$(id -u)/mailferry
or use cron, which on macOS needs Full Disk Access: mailferry schedule install --kind cron`
}
