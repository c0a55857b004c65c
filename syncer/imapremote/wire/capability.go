package wire

import (
	"fmt"
	"strings"

	"mailferry/syncer/mailbox"
)

// Capability asks for the capabilities, in capitals. IMAP4REV2 is left out:
// this package speaks IMAP4rev1 and extensions. (RFC 9051, section 6.1.1)
func (x *Exchange) Capability() ([]string, error) {
	return x.namesOf(&command{name: "CAPABILITY"}, "CAPABILITY")
}

// Enable enables extensions and returns those that the server enabled. Names
// that are no atoms, and IMAP4rev2, are ErrUnsupported. (RFC 5161)
func (x *Exchange) Enable(names ...string) ([]string, error) {
	list := strings.ToUpper(strings.Join(names, " "))
	for _, name := range names {
		if !isCodeName([]byte(name)) || hiddenCapability(strings.ToUpper(name)) {
			return nil, fmt.Errorf("enable %q: %w", name, mailbox.ErrUnsupported)
		}
	}
	if list == "" {
		return nil, nil
	}
	return x.namesOf(&command{name: "ENABLE"}, "ENABLED", words(" "+list))
}

// namesOf runs a command that is answered with capability names.
func (x *Exchange) namesOf(cmd *command, kind string, arguments ...argument) ([]string, error) {
	var names []string
	told := false
	cmd.data = func(a answer) (bool, error) {
		if string(a.kind) != kind {
			return false, nil
		}
		names, told = parseCapabilities(x.c.parser.rest()), true
		return true, nil
	}
	if err := x.do(cmd, arguments...); err != nil {
		return nil, err
	}
	if !told && cmd.result.Code == kind {
		names = parseCapabilities([]byte(cmd.result.Args))
	}
	return names, nil
}
