package discover

import (
	"slices"
	"strings"
)

// Login says what a server takes as a proof of who logs in.
type Login string

// The kinds of proof.
const (
	// Password is the account's ordinary password.
	Password Login = "password"
	// AppPassword is a password that the provider makes for one program.
	AppPassword Login = "app password"
	// OAuth is OAuth2 and nothing else.
	OAuth Login = "oauth2"
)

// Place is a server of a provider, and whose mail it has.
type Place struct {
	// URL of the server, without a user.
	URL string
	// Domains are what addresses there end in.
	Domains []string
	// MX are what the names of the servers end in that take mail for the own
	// domains of customers.
	MX []string
	// For says what this server is for, where a provider has several for the
	// same addresses; "" is the ordinary one.
	For string
}

// Provider is a row of the table of what is known.
type Provider struct {
	// ID is a short name in small letters, fit for an account.
	ID string
	// Name for people.
	Name string
	// Places: the first that fits an address is its server.
	Places []Place
	// IsLocalPart: the user's name is the address up to the @.
	IsLocalPart bool
	Login       Login
	// HasOAuth: OAuth2 is possible beside passwords.
	HasOAuth bool
	// Notes are sentences on what has to be known or done before.
	Notes []string
}

// providers is the table, in the order in which it is to be shown.
var providers = []Provider{
	{
		ID: "gmail", Name: "Gmail, Google Workspace", Login: AppPassword, HasOAuth: true,
		Places: []Place{{
			URL: "imaps://imap.gmail.com", Domains: []string{"gmail.com", "googlemail.com"},
			MX: []string{"google.com", "googlemail.com"},
		}},
		Notes: []string{
			"An app password is needed, not the one for the web: made at https://myaccount.google.com/apppasswords, which needs 2-step verification. Or use OAuth2.",
			"The mailbox [Gmail]/All Mail has every message again; it is downloaded and stored only once.",
			"Deleting a message in a label's mailbox takes off the label; in [Gmail]/Trash it is gone.",
			"Google slows down those who take more than about 2.5 GB a day: a large first run may need several days and goes on where it stopped.",
		},
	},
	{
		ID: "outlook", Name: "Outlook.com, Hotmail, Live, MSN", Login: OAuth, HasOAuth: true,
		Places: []Place{{URL: "imaps://outlook.office365.com", Domains: []string{
			"outlook.com", "hotmail.com", "live.com", "msn.com", "passport.com", "windowslive.com",
			"outlook.at", "outlook.be", "outlook.com.br", "outlook.de", "outlook.dk", "outlook.es", "outlook.fr", "outlook.ie", "outlook.it", "outlook.jp",
			"hotmail.at", "hotmail.be", "hotmail.ch", "hotmail.co.uk", "hotmail.de", "hotmail.es", "hotmail.fr", "hotmail.it", "hotmail.nl",
			"live.at", "live.be", "live.ca", "live.co.uk", "live.de", "live.dk", "live.fr", "live.it", "live.nl",
		}}},
		Notes: []string{
			"Microsoft takes no passwords from mail programs: OAuth2 only.",
			"IMAP must be switched on: in the web mail's settings, Mail, Forwarding and IMAP.",
		},
	},
	{
		ID: "microsoft365", Name: "Microsoft 365, Exchange Online", Login: OAuth, HasOAuth: true,
		Places: []Place{{
			URL: "imaps://outlook.office365.com", Domains: []string{"onmicrosoft.com"},
			MX: []string{"mail.protection.outlook.com", "mx.microsoft"},
		}},
		Notes: []string{
			"Microsoft takes no passwords from mail programs: OAuth2 only.",
			"Your administrator may have to permit IMAP for the mailbox, and the application.",
			"The server lists calendars and contacts as mailboxes; leave them out if you do not want them.",
		},
	},
	{
		ID: "icloud", Name: "iCloud Mail", Login: AppPassword, IsLocalPart: true,
		Places: []Place{{
			URL: "imaps://imap.mail.me.com", Domains: []string{"icloud.com", "me.com", "mac.com"}, MX: []string{"mail.icloud.com"},
		}},
		Notes: []string{
			"An app-specific password is needed: made at https://account.apple.com, Sign-In and Security.",
			"The user's name is the address up to the @.",
		},
	},
	{
		ID: "fastmail", Name: "Fastmail", Login: AppPassword, HasOAuth: true,
		Places: []Place{{
			URL: "imaps://imap.fastmail.com", Domains: []string{"fastmail.com", "fastmail.fm", "fastmail.net", "fastmail.org", "fastmail.de", "sent.com", "messagingengine.com"},
			MX: []string{"messagingengine.com"},
		}},
		Notes: []string{"An app password is needed: made in the web mail's settings, Privacy & Security. The cheapest plan has no IMAP."},
	},
	{
		ID: "yahoo", Name: "Yahoo Mail", Login: AppPassword, HasOAuth: true,
		Places: []Place{
			{URL: "imaps://imap.mail.yahoo.com", Domains: yahooDomains, MX: []string{"yahoodns.net"}},
			{URL: "imaps://export.imap.mail.yahoo.com", Domains: yahooDomains, For: "a backup of everything: it shows all messages, and takes no changes"},
		},
		Notes: []string{
			"An app password is needed: made in the account's settings, Security.",
			"imap.mail.yahoo.com shows only the latest 10,000 messages of a mailbox; export.imap.mail.yahoo.com shows all, for reading only: take that one for a backup.",
		},
	},
	{
		ID: "aol", Name: "AOL Mail", Login: AppPassword, HasOAuth: true,
		Places: []Place{{URL: "imaps://imap.aol.com", Domains: []string{"aol.com", "aol.de", "aol.co.uk", "aol.fr", "aim.com", "love.com", "verizon.net"}}},
		Notes:  []string{"An app password is needed: made in the account's settings, Security."},
	},
	{
		ID: "gmx", Name: "GMX", Login: Password,
		Places: []Place{
			{URL: "imaps://imap.gmx.net", Domains: []string{"gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.li", "gmx.eu"}},
			{URL: "imaps://imap.gmx.com", Domains: []string{"gmx.com", "gmx.us", "gmx.co.uk", "gmx.fr", "gmx.es", "gmx.it", "gmx.org"}},
		},
		Notes: []string{
			"IMAP must be switched on: in the web mail's settings, POP3/IMAP.",
			"With two-factor authentication an application-specific password is needed: made in the account's settings, Security.",
		},
	},
	{
		ID: "webde", Name: "WEB.DE", Login: Password, IsLocalPart: true,
		Places: []Place{{URL: "imaps://imap.web.de", Domains: []string{"web.de", "email.de"}}},
		Notes: []string{
			"IMAP must be switched on: in the web mail's settings, POP3/IMAP Abruf.",
			"The user's name is the address up to the @.",
			"With two-factor authentication an application-specific password is needed: made in the account's settings, Sicherheit.",
		},
	},
	{
		ID: "zoho", Name: "Zoho Mail", Login: Password,
		Places: []Place{
			{URL: "imaps://imap.zoho.com", Domains: []string{"zoho.com", "zohomail.com"}},
			{URL: "imaps://imap.zoho.eu", Domains: []string{"zoho.eu", "zohomail.eu"}},
			{URL: "imaps://imap.zoho.in", Domains: []string{"zoho.in", "zohomail.in"}},
			{URL: "imaps://imap.zoho.com.au", Domains: []string{"zoho.com.au", "zohomail.com.au"}},
			{URL: "imaps://imappro.zoho.com", MX: []string{"zoho.com"}},
			{URL: "imaps://imappro.zoho.eu", MX: []string{"zoho.eu"}},
			{URL: "imaps://imappro.zoho.in", MX: []string{"zoho.in"}},
			{URL: "imaps://imappro.zoho.com.au", MX: []string{"zoho.com.au"}},
		},
		Notes: []string{
			"IMAP must be switched on: in the web mail's settings, Mail Accounts, IMAP Access.",
			"The host depends on the region (.com, .eu, .in, .com.au), and on whether the address is at a domain of your own (imappro instead of imap).",
			"With two-factor authentication an application-specific password is needed: made in the account's settings, Security.",
		},
	},
	{
		ID: "posteo", Name: "Posteo", Login: Password,
		Places: []Place{{URL: "imaps://posteo.de", Domains: []string{
			"posteo.de", "posteo.net", "posteo.at", "posteo.be", "posteo.ch", "posteo.co", "posteo.dk", "posteo.ee", "posteo.es", "posteo.eu",
			"posteo.fi", "posteo.fr", "posteo.it", "posteo.me", "posteo.mx", "posteo.nl", "posteo.no", "posteo.nz", "posteo.org", "posteo.pl",
			"posteo.pt", "posteo.ro", "posteo.se", "posteo.uk", "posteo.us",
		}}},
		Notes: []string{"Additional mail account protection, if you switched it on, keeps out all mail programs: switch it off in the settings."},
	},
	{
		ID: "t-online", Name: "T-Online, Telekom Mail", Login: AppPassword,
		Places: []Place{{URL: "imaps://secureimap.t-online.de", Domains: []string{"t-online.de", "magenta.de"}}},
		Notes:  []string{"A password for mail programs is needed (Passwort für E-Mail-Programme), not the one of the Telekom login: set in the Kundencenter."},
	},
	{
		ID: "yandex", Name: "Yandex Mail", Login: AppPassword,
		Places: []Place{{
			URL: "imaps://imap.yandex.com", Domains: []string{"yandex.com", "yandex.ru", "yandex.by", "yandex.kz", "yandex.ua", "ya.ru"},
			MX: []string{"mx.yandex.net", "mx.yandex.ru"},
		}},
		Notes: []string{
			"IMAP must be switched on: in the web mail's settings, Email clients.",
			"An app password is needed: made at https://id.yandex.com, Security, App passwords.",
		},
	},
	{
		ID: "ionos", Name: "1&1, IONOS", Login: Password,
		Places: []Place{
			{URL: "imaps://imap.1und1.de", Domains: []string{"online.de", "onlinehome.de", "1und1.de"}, MX: []string{"kundenserver.de"}},
			{URL: "imaps://imap.ionos.de", MX: []string{"ionos.de"}},
			{URL: "imaps://imap.ionos.com", MX: []string{"ionos.com", "1and1.com"}},
			{URL: "imaps://imap.ionos.co.uk", MX: []string{"ionos.co.uk"}},
			{URL: "imaps://imap.ionos.fr", MX: []string{"ionos.fr"}},
			{URL: "imaps://imap.ionos.es", MX: []string{"ionos.es"}},
		},
		Notes: []string{"The password is the mailbox's own, set where the mailbox was made; not that of the customer account."},
	},
	{
		ID: "proton", Name: "Proton Mail, with Proton Bridge", Login: AppPassword,
		Places: []Place{{
			URL: "imap://127.0.0.1:1143", Domains: []string{"proton.me", "protonmail.com", "protonmail.ch", "pm.me"}, MX: []string{"protonmail.ch"},
		}},
		Notes: []string{
			"Proton Bridge has to run on this computer; it shows the user's name and a password of its own, and the port if it is not 1143.",
			"Bridge's certificate is signed by nobody: init shows its SHA-256 and asks before it is pinned (tls_pin).",
			"An upgrade of Bridge may number all messages anew: mailferry then recognises them by their content, without downloading again.",
		},
	},
}

var yahooDomains = []string{
	"yahoo.com", "ymail.com", "rocketmail.com", "myyahoo.com", "yahoo.de", "yahoo.at", "yahoo.be", "yahoo.ca", "yahoo.ch", "yahoo.co.id", "yahoo.co.in",
	"yahoo.co.nz", "yahoo.co.uk", "yahoo.com.ar", "yahoo.com.au", "yahoo.com.br", "yahoo.com.mx", "yahoo.com.sg", "yahoo.dk", "yahoo.es",
	"yahoo.fr", "yahoo.gr", "yahoo.ie", "yahoo.in", "yahoo.it", "yahoo.nl", "yahoo.no", "yahoo.pl", "yahoo.pt", "yahoo.ro", "yahoo.se",
}

// Providers lists the table, sorted as it is to be shown.
func Providers() []Provider { return slices.Clone(providers) }

// ByDomain returns the provider of a domain and its places there, the ordinary
// one first.
func ByDomain(domain string) (Provider, []Place, bool) {
	for _, p := range providers {
		var places []Place
		for _, place := range p.Places {
			if slices.ContainsFunc(place.Domains, func(known string) bool { return isWithin(domain, known) }) {
				places = append(places, place)
			}
		}
		if len(places) > 0 {
			return p, places, true
		}
	}
	return Provider{}, nil, false
}

// ByHost returns the provider that a server belongs to.
func ByHost(host string) (Provider, bool) {
	for _, p := range providers {
		for _, place := range p.Places {
			_, known, _ := strings.Cut(place.URL, "://")
			known, _, _ = strings.Cut(known, ":")
			if known == host && known != "127.0.0.1" {
				return p, true
			}
		}
	}
	return Provider{}, false
}

// byMX returns the provider whose servers take the mail of a domain.
func byMX(exchanger string) (Provider, Place, bool) {
	for _, p := range providers {
		for _, place := range p.Places {
			if slices.ContainsFunc(place.MX, func(suffix string) bool { return isWithin(exchanger, suffix) }) {
				return p, place, true
			}
		}
	}
	return Provider{}, Place{}, false
}

// isWithin reports whether a name is a domain or lies below it.
func isWithin(name, domain string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == domain || strings.HasSuffix(name, "."+domain)
}
