package main

import (
	"os/exec"
	"runtime"
	"strings"
)

// openBrowser opens a page if that is possible here; the page was named, so
// trouble is not told. Command lines can be seen by others: the page's address
// holds nothing that lets them in. (RFC 7636)
func (a *app) openBrowser(page string) {
	argv := a.browser()
	if argv == nil {
		return
	}
	for i, arg := range argv {
		argv[i] = strings.ReplaceAll(arg, "%s", page)
	}
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = hookEnvironment()
	if err := command.Start(); err != nil {
		a.log.Debug("no browser can be opened", "error", err)
		return
	}
	go func() { _ = command.Wait() }()
}

// browser is the command that opens the page %s; nil: none.
func (a *app) browser() []string {
	if named, _, _ := strings.Cut(a.env("BROWSER"), ":"); strings.TrimSpace(named) != "" {
		argv := strings.Fields(named)
		if !strings.Contains(named, "%s") {
			argv = append(argv, "%s")
		}
		return argv
	}
	switch {
	case !a.console.IsTerminal():
		return nil
	case runtime.GOOS == "darwin":
		return []string{"open", "%s"}
	case runtime.GOOS == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", "%s"}
	case a.env("DISPLAY") != "" || a.env("WAYLAND_DISPLAY") != "":
		return []string{"xdg-open", "%s"}
	}
	return nil
}
