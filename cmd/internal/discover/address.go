package discover

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
)

// Address is a mail address in its parts.
type Address struct {
	// Text is the whole address.
	Text string
	// Local is what stands before the @.
	Local string
	// Domain is in small letters, and in ASCII (punycode) as DNS wants it.
	Domain string
}

// errAddress is wrapped by all errors about addresses.
var errAddress = errors.New("not a mail address")

// ParseAddress reads an address such as me@example.com.
func ParseAddress(text string) (Address, error) {
	text = strings.TrimSpace(text)
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Name != "" || parsed.Address != text {
		return Address{}, fmt.Errorf("%.100q: %w", text, errAddress)
	}
	at := strings.LastIndexByte(text, '@')
	domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(text[at+1:], "."))
	if err != nil || !isHost(domain) || !strings.Contains(domain, ".") {
		return Address{}, fmt.Errorf("%.100q: %w: its domain is none", text, errAddress)
	}
	return Address{Text: text, Local: text[:at], Domain: strings.ToLower(domain)}, nil
}

// isHost reports whether a name may be a host's, so that nothing else gets into
// a URL. (RFC 1123, section 2.1)
func isHost(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				return false
			}
		}
	}
	return true
}
