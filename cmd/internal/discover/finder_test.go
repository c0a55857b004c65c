package discover

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

const wellKnown = "/.well-known/autoconfig/mail/config-v1.1.xml"

// file is a configuration file with these servers.
func file(servers string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="x"><domain>x</domain>`+servers+`</emailProvider></clientConfig>`)
	}
}

const goodServer = `<incomingServer type="pop3"><hostname>pop.hoster.example</hostname><port>995</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username></incomingServer>
<incomingServer type="imap"><hostname>imap.hoster.example</hostname><port>993</port><socketType>SSL</socketType><username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></incomingServer>`

func TestFindAsksNobodyAboutAProviderOfTheTable(t *testing.T) {
	w, finder := newWorld(t)
	found, err := finder.Find(t.Context(), address(t, "Me@GMail.com"))
	if err != nil || urls(found) != "imaps://Me%40GMail.com@imap.gmail.com" || !found[0].IsTrusted || found[0].Provider.ID != "gmail" {
		t.Errorf("%+v, %v", found, err)
	}
	if len(w.asked) > 0 {
		t.Errorf("asked %q", w.asked)
	}
}

func TestFindBelievesTheDomainsOwnFile(t *testing.T) {
	w, finder := newWorld(t, "autoconfig.example.org", "example.org")
	var query string
	w.files["autoconfig.example.org/mail/config-v1.1.xml"] = func(rw http.ResponseWriter, r *http.Request) {
		query = r.URL.Query().Get("emailaddress")
		file(goodServer)(rw, r)
	}
	found, err := finder.Find(t.Context(), address(t, "me+x@example.org"))
	if err != nil || urls(found) != "imaps://me%2Bx@imap.hoster.example pop3s://me%2Bx%40example.org@pop.hoster.example" {
		t.Fatalf("%s, %v", urls(found), err)
	}
	if !found[0].IsTrusted || found[0].Login != Password || !strings.Contains(found[0].Source, "https://autoconfig.example.org/") || strings.Contains(found[0].Source, "me+x") {
		t.Errorf("%+v", found[0])
	}
	if query != "me+x@example.org" {
		t.Errorf("asked for %q", query)
	}
}

func TestFindReadsTheWellKnownFile(t *testing.T) {
	w, finder := newWorld(t, "autoconfig.example.org", "example.org")
	w.files["example.org"+wellKnown] = file(goodServer)
	found, err := finder.Find(t.Context(), address(t, "me@example.org"))
	if err != nil || len(found) != 2 || !found[0].IsTrusted || !strings.Contains(found[0].Source, "https://example.org/.well-known/") {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestFindDoesNotBelieveAFileBehindABadCertificateOrWithoutTLS(t *testing.T) {
	w, finder := newWorld(t, "other.example")
	w.files["autoconfig.example.org/mail/config-v1.1.xml"] = file(goodServer)
	if found, err := finder.Find(t.Context(), address(t, "me@example.org")); !errors.Is(err, ErrNothing) {
		t.Errorf("%s, %v", urls(found), err)
	}
	w, finder = newWorld(t, "autoconfig.example.org")
	w.files["autoconfig.example.org/mail/config-v1.1.xml"] = func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://plain.example/config.xml", http.StatusFound)
	}
	if found, err := finder.Find(t.Context(), address(t, "me@example.org")); !errors.Is(err, ErrNothing) {
		t.Errorf("%s, %v", urls(found), err)
	}
	for _, addr := range w.asked {
		if strings.HasSuffix(addr, ":80") {
			t.Errorf("asked %s in the clear", addr)
		}
	}
}

func TestFindMarksMozillasDatabaseAndDNSAsNotTheDomains(t *testing.T) {
	w, finder := newWorld(t, "autoconfig.thunderbird.net")
	w.files["autoconfig.thunderbird.net/v1.1/example.org"] = file(goodServer)
	w.srv["_imaps._tcp.example.org"] = []dnsmessage.SRVResource{
		{Priority: 20, Port: 993, Target: dnsmessage.MustNewName("second.hoster.example.")},
		{Priority: 10, Port: 1993, Target: dnsmessage.MustNewName("imap.example.org.")},
	}
	w.srv["_imap._tcp.example.org"] = []dnsmessage.SRVResource{{Target: dnsmessage.MustNewName(".")}}
	w.srv["_pop3s._tcp.example.org"] = []dnsmessage.SRVResource{{Port: 995, Target: dnsmessage.MustNewName("pop.example.net.")}}
	found, err := finder.Find(t.Context(), address(t, "me@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	want := "imaps://me@imap.hoster.example pop3s://me%40example.org@pop.hoster.example " +
		"imaps://me%40example.org@imap.example.org:1993 imaps://me%40example.org@second.hoster.example pop3s://me%40example.org@pop.example.net"
	if urls(found) != want {
		t.Errorf("%s\nwant %s", urls(found), want)
	}
	for _, f := range found {
		// A name within the domain, proved by its certificate, is the domain's.
		if f.IsTrusted != (f.Server.Host == "imap.example.org") {
			t.Errorf("%+v", f)
		}
	}
}

func TestFindRecognisesAProviderByWhoTakesTheDomainsMail(t *testing.T) {
	for exchanger, want := range map[string]string{
		"aspmx.l.google.com.":                      "imaps://me%40example.org@imap.gmail.com",
		"example-org.mail.protection.outlook.com.": "imaps://me%40example.org@outlook.office365.com",
		"in1-smtp.messagingengine.com.":            "imaps://me%40example.org@imap.fastmail.com",
		"mx.zoho.eu.":                              "imaps://me%40example.org@imappro.zoho.eu",
		"mx01.mail.icloud.com.":                    "imaps://me%40example.org@imap.mail.me.com",
		"notgoogle.com.":                           "",
		"aspmx.l.google.com.evil.example.":         "",
	} {
		w, finder := newWorld(t)
		w.mx["example.org"] = []string{exchanger}
		found, err := finder.Find(t.Context(), address(t, "me@example.org"))
		if urls(found) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", exchanger, urls(found), err)
		}
		if want != "" && (found[0].IsTrusted || found[0].Provider.ID == "") {
			t.Errorf("%s: %+v", exchanger, found[0])
		}
	}
}

func TestFindGuessesServersWithAGoodCertificate(t *testing.T) {
	w, finder := newWorld(t)
	w.mailServer("mail.example.org:993", "mail.example.org", "* OK ready\r\n")
	w.mailServer("imap.example.org:993", "other.example", "* OK ready\r\n")     // another's certificate
	w.mailServer("pop.example.org:995", "pop.example.org", "HTTP/1.1 400 \r\n") // no mail server
	w.mailServer("pop3.example.org:995", "pop3.example.org", "+OK ready\r\n")
	found, err := finder.Find(t.Context(), address(t, "me@example.org"))
	if err != nil || urls(found) != "imaps://me%40example.org@mail.example.org pop3s://me%40example.org@pop3.example.org" {
		t.Fatalf("%s, %v", urls(found), err)
	}
	if !found[0].IsTrusted {
		t.Errorf("%+v", found[0])
	}
}

func TestFetchIsCapped(t *testing.T) {
	w, finder := newWorld(t, "example.org")
	w.files["example.org/large"] = func(rw http.ResponseWriter, _ *http.Request) {
		for range 1 << 12 {
			if _, err := io.WriteString(rw, strings.Repeat("x", 1<<10)); err != nil {
				return
			}
		}
	}
	w.files["example.org/loop"] = func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "https://example.org/loop", http.StatusFound)
	}
	for _, path := range []string{"large", "loop", "none"} {
		if data, err := finder.fetch(t.Context(), "https://example.org/"+path); err == nil {
			t.Errorf("%s: %d octets", path, len(data))
		}
	}
	if _, err := finder.fetch(t.Context(), "http://example.org/"); !errors.Is(err, errNotHTTPS) {
		t.Error(err)
	}
}

func TestParseConfigTakesOnlyProtectedServersWithProperNames(t *testing.T) {
	row := func(kind, host, port, security, auth string) string {
		return fmt.Sprintf(`<incomingServer type=%q><hostname>%s</hostname><port>%s</port><socketType>%s</socketType><username>%%EMAILADDRESS%%</username>%s</incomingServer>`,
			kind, host, port, security, auth)
	}
	oauth, plain := "<authentication>OAuth2</authentication>", "<authentication>password-cleartext</authentication>"
	for servers, want := range map[string]string{
		row("imap", "a.example", "143", "STARTTLS", plain):                          "imap://me%40example.org@a.example password",
		row("imap", "a.example", "993", "SSL", oauth):                               "imaps://me%40example.org@a.example oauth2",
		row("imap", "a.example", "993", "SSL", oauth+plain):                         "imaps://me%40example.org@a.example password",
		row("imap", "%EMAILDOMAIN%", "993", "SSL", ""):                              "imaps://me%40example.org@example.org ",
		row("imap", "a.example", "143", "plain", plain):                             "",
		row("imap", "a.example/x", "993", "SSL", plain):                             "",
		row("imap", "evil.example@a.example", "993", "SSL", plain):                  "",
		row("imap", "a.example", "0", "SSL", plain):                                 "",
		row("imap", "a.example", "65536", "SSL", plain):                             "",
		row("imap", "", "993", "SSL", plain):                                        "",
		row("exchange", "a.example", "443", "SSL", plain):                           "",
		strings.Repeat(row("imap", "a.example", "993", "SSL", plain), 1+maxServers): "",
		`<incomingServer type="imap"><hostname>a.example`:                           "",
	} {
		data := `<clientConfig version="1.1"><emailProvider id="x">` + servers + `</emailProvider></clientConfig>`
		got := ""
		for _, f := range parseConfig([]byte(data), address(t, "me@example.org"), "") {
			got += f.Server.String() + " " + string(f.Login)
		}
		if got != want {
			t.Errorf("%.200s: %q, want %q", servers, got, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`<clientConfig version="1.1"><emailProvider id="x">` + goodServer + `</emailProvider></clientConfig>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><clientConfig>&a;</clientConfig>`))
	a, err := ParseAddress("me@example.org")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, found := range parseConfig(data, a, "") {
			if s := found.Server; s.Security == "plain" || s.Port < 1 || !isHost(s.Host) && !strings.Contains(s.Host, ":") {
				t.Errorf("%q: %+v", data, s)
			}
		}
	})
}

func TestParseAddress(t *testing.T) {
	for text, domain := range map[string]string{
		"me@example.com": "example.com", " me@Example.COM ": "example.com", `"a b"@example.com`: "", "me@bücher.example": "xn--bcher-kva.example",
		"me": "", "me@": "", "@example.com": "", "me@example": "", "me@exa mple.com": "", "Me <me@example.com>": "", "me@[127.0.0.1]": "", "me@-.com": "",
		"me@example.com/../x": "", "me@example.com:80": "",
	} {
		a, err := ParseAddress(text)
		if a.Domain != domain || (err == nil) != (domain != "") {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	}
}
