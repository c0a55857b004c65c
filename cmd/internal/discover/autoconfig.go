package discover

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxFile bounds a configuration file: real ones have 2 KB.
const maxFile = 256 << 10

// maxRedirects is how often a file may be somewhere else.
const maxRedirects = 3

// maxServers is how many servers of a file are looked at.
const maxServers = 20

// clientConfig is the file that Thunderbird made common.
// (draft-ietf-mailmaint-autoconfig)
type clientConfig struct {
	XMLName xml.Name `xml:"clientConfig"`
	Servers []struct {
		Type     string   `xml:"type,attr"`
		Host     string   `xml:"hostname"`
		Port     int      `xml:"port"`
		Security string   `xml:"socketType"`
		User     string   `xml:"username"`
		Auth     []string `xml:"authentication"`
	} `xml:"emailProvider>incomingServer"`
}

// fromDomain reads the file that the domain itself offers.
func (f Finder) fromDomain(ctx context.Context, address Address) []Finding {
	query := "?emailaddress=" + url.QueryEscape(address.Text)
	for _, place := range []string{
		"https://autoconfig." + address.Domain + "/mail/config-v1.1.xml" + query,
		"https://" + address.Domain + "/.well-known/autoconfig/mail/config-v1.1.xml" + query,
	} {
		if found := f.fromFile(ctx, place, address); len(found) > 0 {
			for i := range found {
				found[i].IsTrusted = true
			}
			return found
		}
	}
	return nil
}

// fromDatabase asks Mozilla's database, which learns the domain and not the
// address.
func (f Finder) fromDatabase(ctx context.Context, address Address) []Finding {
	return f.fromFile(ctx, database+url.PathEscape(address.Domain), address)
}

func (f Finder) fromFile(ctx context.Context, place string, address Address) []Finding {
	data, err := f.fetch(ctx, place)
	if err != nil {
		return nil
	}
	short, _, _ := strings.Cut(place, "?")
	return parseConfig(data, address, "the configuration file "+short)
}

var errNotHTTPS = errors.New("not HTTPS")

// fetch gets a small file over HTTPS.
func (f Finder) fetch(ctx context.Context, place string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	client := http.Client{}
	if f.Client != nil {
		client = *f.Client
	}
	client.CheckRedirect = func(request *http.Request, before []*http.Request) error {
		if request.URL.Scheme != "https" {
			return errNotHTTPS
		}
		if len(before) > maxRedirects {
			return errors.New("too many redirects")
		}
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil || request.URL.Scheme != "https" {
		return nil, errors.Join(err, errNotHTTPS)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", place, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxFile+1))
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: too large", place)
	}
	return data, err
}

// parseConfig reads a file's servers: IMAP before POP3, each in the order of
// the file. Unprotected ones do not count, nor does what is no name of a host.
func parseConfig(data []byte, address Address, source string) []Finding {
	var file clientConfig
	if err := xml.Unmarshal(data, &file); err != nil || len(file.Servers) > maxServers {
		return nil
	}
	fill := strings.NewReplacer("%EMAILADDRESS%", address.Text, "%EMAILLOCALPART%", address.Local, "%EMAILDOMAIN%", address.Domain)
	var found []Finding
	for _, protocol := range []string{"imap", "pop3"} {
		for _, s := range file.Servers {
			scheme := ""
			switch strings.ToUpper(strings.TrimSpace(s.Security)) {
			case "SSL", "TLS":
				scheme = protocol + "s"
			case "STARTTLS":
				scheme = protocol
			}
			if !strings.EqualFold(s.Type, protocol) || scheme == "" {
				continue
			}
			user := strings.TrimSpace(fill.Replace(s.User))
			if user == "" {
				user = address.Text
			}
			host := strings.TrimSpace(fill.Replace(s.Host))
			if parsed, ok := server(scheme, user, host, s.Port); ok {
				found = append(found, Finding{Server: parsed, Source: source, Login: loginOf(s.Auth)})
			}
		}
	}
	return found
}

// loginOf is OAuth only where nothing else is offered.
func loginOf(mechanisms []string) Login {
	isOAuth := func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), "OAuth2") }
	isOther := func(name string) bool { return !isOAuth(name) }
	switch {
	case len(mechanisms) == 0:
		return ""
	case !slices.ContainsFunc(mechanisms, isOther):
		return OAuth
	}
	return Password
}
