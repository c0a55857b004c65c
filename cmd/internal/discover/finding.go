package discover

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"mailferry/cmd/internal/config"
)

// Finding is a server that may have an address's mail.
type Finding struct {
	Server config.Server
	// Source says for people where this comes from.
	Source string
	// IsTrusted: the source, or the server itself, speaks for the address's
	// domain. For any other somebody has to say that it is the right one before
	// a password goes there.
	IsTrusted bool
	// Provider is the row of the table that was found; its ID is "" if none.
	Provider Provider
	// Login is what the server takes, "" if that is not known.
	Login Login
	// For says what the server is for if it is not the ordinary one.
	For string
}

// Notes are sentences on what has to be known or done before.
func (f Finding) Notes() []string { return f.Provider.Notes }

// server makes a server of what a source says. ok is false for a name that is
// none.
func server(scheme, user, host string, port int) (config.Server, bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !isHost(host) && net.ParseIP(host) == nil || port < 1 || port > 65535 || user == "" {
		return config.Server{}, false
	}
	text := config.Server{Scheme: scheme, User: user, Host: host, Port: port}.String()
	parsed, err := config.ParseURL(text)
	return parsed, err == nil
}

// known makes the finding of a row of the table.
func known(p Provider, place Place, address Address, source string) (Finding, bool) {
	scheme, host, _ := strings.Cut(place.URL, "://")
	port := map[string]int{"imaps": 993, "imap": 143}[scheme]
	if name, number, found := strings.Cut(host, ":"); found {
		host = name
		port, _ = strconv.Atoi(number)
	}
	user := address.Text
	if p.IsLocalPart && slices.ContainsFunc(place.Domains, func(domain string) bool { return isWithin(address.Domain, domain) }) {
		user = address.Local
	}
	parsed, ok := server(scheme, user, host, port)
	return Finding{Server: parsed, Source: source, Provider: p, Login: p.Login, For: place.For}, ok
}
