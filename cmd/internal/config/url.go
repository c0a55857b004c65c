package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Security says how a connection to a server is protected.
type Security string

// The kinds of protection.
const (
	TLS      Security = "tls"
	StartTLS Security = "starttls"
	Plain    Security = "plain"
)

// Server is where an account's mail is, as a URL names it.
type Server struct {
	// Scheme is one of the table below, such as "imaps".
	Scheme   string
	Security Security
	// Protocol is "imap" or "pop3".
	Protocol string
	// User is decoded.
	User string
	// Host is a name or an address, without brackets.
	Host string
	Port int
}

// scheme is a row of the table of URL schemes.
type scheme struct {
	name, protocol string
	security       Security
	port           int
}

var schemes = []scheme{
	{"imaps", "imap", TLS, 993},
	{"imap", "imap", StartTLS, 143},
	{"imap+plain", "imap", Plain, 143},
	{"pop3s", "pop3", TLS, 995},
	{"pop3", "pop3", StartTLS, 110},
	{"pop3+plain", "pop3", Plain, 110},
}

// passwordHint lists the ways to give a password.
const passwordHint = "leave the password out of the URL and give it by password_command, the keyring, password_file or " +
	"MAILFERRY_PASSWORD, or type it when asked"

// IsURL reports whether text is meant as a URL.
func IsURL(text string) bool { return strings.Contains(text, "://") }

// ParseURL reads scheme://user@host[:port]. Its errors are of type *Error and
// never repeat the URL, which may hold a password.
func ParseURL(text string) (Server, error) {
	name, rest, found := strings.Cut(text, "://")
	if !found {
		return Server{}, &Error{Message: "not a URL", Hint: "write it like imaps://user@imap.example.com"}
	}
	row, err := schemeNamed(strings.ToLower(name))
	if err != nil {
		return Server{}, err
	}
	server := Server{Scheme: row.name, Security: row.security, Protocol: row.protocol, Port: row.port}
	// The last @ ends the user part, so that a password with / or @ in it is
	// still seen as one and not repeated as a bad host or port.
	user, authority, found := cutLast(rest, "@")
	if !found {
		return Server{}, &Error{Message: "the URL names no user", Hint: "write it like " + row.name + "://user@imap.example.com; an @ within the user is %40"}
	}
	if strings.Contains(user, ":") {
		return Server{}, &Error{Message: "the URL contains a password", Hint: passwordHint}
	}
	if server.User, err = url.PathUnescape(user); err != nil || server.User == "" || hasControl(server.User) {
		return Server{}, &Error{Message: "the URL's user cannot be read", Hint: "special characters are written %40 for @, %25 for %, %3A for :"}
	}
	return server, server.setAuthority(strings.TrimSuffix(authority, "/"))
}

func schemeNamed(name string) (scheme, error) {
	names := make([]string, len(schemes))
	for i, row := range schemes {
		if row.name == name {
			return row, nil
		}
		names[i] = row.name
	}
	return scheme{}, &Error{
		Message: "the URL's scheme is none of " + strings.Join(names, ", "),
		Hint:    didYouMean(name, names),
	}
}

func (s *Server) setAuthority(authority string) error {
	if strings.ContainsAny(authority, "/?# \\") || hasControl(authority) {
		return &Error{Message: "the URL has more than a server's name", Hint: "write it like " + s.Scheme + "://user@imap.example.com"}
	}
	host, port := authority, ""
	if strings.HasPrefix(authority, "[") {
		inside, behind, closed := strings.Cut(authority[1:], "]")
		if _, err := netip.ParseAddr(inside); !closed || err != nil || behind != "" && behind[0] != ':' {
			return &Error{Message: "the URL's address in brackets is not an IPv6 address"}
		}
		host, port = inside, behind
	} else if i := strings.IndexByte(authority, ':'); i >= 0 {
		host, port = authority[:i], authority[i:]
	}
	if host == "" {
		return &Error{Message: "the URL names no server", Hint: "write it like " + s.Scheme + "://user@imap.example.com"}
	}
	s.Host = strings.ToLower(host)
	if port == "" {
		return nil
	}
	n, err := strconv.ParseUint(port[1:], 10, 16)
	if err != nil || n == 0 {
		return &Error{Message: "the URL's port is not a number from 1 to 65535", Hint: "an IPv6 address is written in brackets: [::1]"}
	}
	s.Port = int(n)
	return nil
}

// String is the canonical URL: no port where it is the scheme's own. A zero
// Server is "".
func (s Server) String() string {
	if s.Scheme == "" {
		return ""
	}
	text := s.Scheme + "://" + strings.ReplaceAll(url.QueryEscape(s.User), "+", "%20") + "@"
	if row, err := schemeNamed(s.Scheme); err == nil && row.port == s.Port {
		return text + bracketed(s.Host)
	}
	return text + s.Addr()
}

// Addr is host:port for a dialer.
func (s Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// AccountName is the name of an account that has no other: user@host, where a
// user that is an address stands for itself.
func (s Server) AccountName() string { return s.User + "@" + s.Host }

// IsLoopback reports whether the host is this machine for certain.
func (s Server) IsLoopback() bool {
	if s.Host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(s.Host)
	return err == nil && addr.Unmap().IsLoopback()
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// checkServer enforces what a URL alone cannot say.
func checkServer(account Account) error {
	server := account.Server
	switch {
	case len(account.Tunnel) > 0:
		return nil
	case server.Security == Plain && !server.IsLoopback() && !account.AllowPlaintext:
		return &Error{
			Message: server.Scheme + ":// sends mail and password in the clear, and " + server.Host + " is not this machine",
			Hint: "use " + server.Protocol + "s:// (TLS) or " + server.Protocol + ":// (" + map[string]string{"imap": "STARTTLS", "pop3": "STLS"}[server.Protocol] +
				"); allow_plaintext = true in the configuration permits it all the same",
		}
	}
	return nil
}
