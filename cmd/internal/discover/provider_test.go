package discover

import (
	"strings"
	"testing"

	"mailferry/cmd/internal/config"
)

func TestEveryRowOfTheTableIsUsable(t *testing.T) {
	ids, domains := map[string]bool{}, map[string]string{}
	for _, p := range Providers() {
		if ids[p.ID] || p.ID == "" || p.Name == "" || p.Login == "" || len(p.Places) == 0 || len(p.Notes) == 0 {
			t.Errorf("%+v", p)
		}
		ids[p.ID] = true
		if p.Login == OAuth && !p.HasOAuth {
			t.Errorf("%s takes OAuth2 only and has none", p.ID)
		}
		for _, place := range p.Places {
			s, err := config.ParseURL(strings.Replace(place.URL, "://", "://me@", 1))
			if err != nil || s.Security == config.Plain || len(place.Domains)+len(place.MX) == 0 {
				t.Errorf("%s: %s: %v", p.ID, place.URL, err)
			}
			for _, domain := range append(place.Domains, place.MX...) {
				if !isHost(domain) || domain != strings.ToLower(domain) || !strings.Contains(domain, ".") {
					t.Errorf("%s: %q", p.ID, domain)
				}
			}
			for _, domain := range place.Domains {
				if other := domains[domain]; other != "" && other != p.ID {
					t.Errorf("%s: %s and %s", domain, other, p.ID)
				}
				domains[domain] = p.ID
			}
		}
		for _, note := range p.Notes {
			if !strings.HasSuffix(note, ".") {
				t.Errorf("%s: %q is no sentence", p.ID, note)
			}
		}
	}
}

func TestLookupKnowsTheUsualProviders(t *testing.T) {
	for text, want := range map[string]string{
		"me@gmail.com":            "imaps://me%40gmail.com@imap.gmail.com",
		"me@outlook.com":          "imaps://me%40outlook.com@outlook.office365.com",
		"me@firm.onmicrosoft.com": "imaps://me%40firm.onmicrosoft.com@outlook.office365.com",
		"me@icloud.com":           "imaps://me@imap.mail.me.com",
		"me@fastmail.com":         "imaps://me%40fastmail.com@imap.fastmail.com",
		"me@yahoo.de":             "imaps://me%40yahoo.de@imap.mail.yahoo.com imaps://me%40yahoo.de@export.imap.mail.yahoo.com",
		"me@aol.com":              "imaps://me%40aol.com@imap.aol.com",
		"me@gmx.de":               "imaps://me%40gmx.de@imap.gmx.net",
		"me@gmx.com":              "imaps://me%40gmx.com@imap.gmx.com",
		"me@web.de":               "imaps://me@imap.web.de",
		"me@zohomail.eu":          "imaps://me%40zohomail.eu@imap.zoho.eu",
		"me@posteo.net":           "imaps://me%40posteo.net@posteo.de",
		"me@t-online.de":          "imaps://me%40t-online.de@secureimap.t-online.de",
		"me@ya.ru":                "imaps://me%40ya.ru@imap.yandex.com",
		"me@online.de":            "imaps://me%40online.de@imap.1und1.de",
		"me@proton.me":            "imap://me%40proton.me@127.0.0.1:1143",
		"me@notgmail.com":         "",
		"me@gmail.com.example":    "",
	} {
		if got := urls(Lookup(address(t, text))); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
