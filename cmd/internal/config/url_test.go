package config

import (
	"strings"
	"testing"
)

func TestParseURLReadsServers(t *testing.T) {
	for text, want := range map[string]Server{
		"imaps://me@imap.example.com":                {"imaps", TLS, "imap", "me", "imap.example.com", 993},
		"imaps://me%40example.com@IMAP.Example.com/": {"imaps", TLS, "imap", "me@example.com", "imap.example.com", 993},
		"imaps://me@example.com@imap.example.com":    {"imaps", TLS, "imap", "me@example.com", "imap.example.com", 993},
		"imap://me@host:1143":                        {"imap", StartTLS, "imap", "me", "host", 1143},
		"imap+plain://a%3Ab%25@127.0.0.1:10143":      {"imap+plain", Plain, "imap", "a:b%", "127.0.0.1", 10143},
		"IMAPS://me@[::1]":                           {"imaps", TLS, "imap", "me", "::1", 993},
		"imaps://me@[2001:db8::1]:1993":              {"imaps", TLS, "imap", "me", "2001:db8::1", 1993},
		"pop3s://me@host":                            {"pop3s", TLS, "pop3", "me", "host", 995},
		"pop3+plain://me@host":                       {"pop3+plain", Plain, "pop3", "me", "host", 110},
		"imaps://a+b%20c@host":                       {"imaps", TLS, "imap", "a+b c", "host", 993},
	} {
		got, err := ParseURL(text)
		if err != nil || got != want {
			t.Errorf("ParseURL(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestServerStringIsReadBackAsItself(t *testing.T) {
	for _, text := range []string{
		"imaps://me%40example.com@imap.example.com", "imap://me@host:1143", "imap+plain://a%3Ab%25@127.0.0.1:10143",
		"imaps://me@[::1]", "imaps://me@[2001:db8::1]:1993", "imaps://a%2Bb%20c@host",
	} {
		server, err := ParseURL(text)
		if err != nil {
			t.Fatal(err)
		}
		if server.String() != text {
			t.Errorf("%q is written %q", text, server.String())
		}
	}
}

func TestParseURLRefusesWithoutEchoingSecrets(t *testing.T) {
	for _, text := range []string{
		"imaps://me:s3cret@host", "imaps://me:s3cret/x@host", "imaps://me:s3@cret@host", "imaps://me:s3cret",
		"imaps://host:s3cret/", "imaps://me@host:s3cret", "imaps://@host", "imaps://me@", "imaps://host", "imaps://me%zz@host",
		"imaps://me%0d@host", "imaps://me@host:0", "imaps://me@host:65536", "imaps://me@host/INBOX", "imaps://me@host?x=s3cret",
		"imaps://me@[::1", "imaps://me@[nonsense]", "imaps://me@[::1]x", "imaps://me@::1", "imapss://me@host", "me@host", "",
	} {
		server, err := ParseURL(text)
		if err == nil {
			t.Errorf("ParseURL(%q) = %+v, want an error", text, server)
			continue
		}
		if said := err.Error() + HintOf(err); strings.Contains(said, "s3") || strings.Contains(said, "cret") {
			t.Errorf("ParseURL(%q) repeats the secret: %s", text, said)
		}
	}
	_, err := ParseURL("imaps://me:s3cret@host")
	for _, way := range []string{"password_command", "keyring", "password_file", "MAILFERRY_PASSWORD"} {
		if !strings.Contains(HintOf(err), way) {
			t.Errorf("the hint does not name %s: %s", way, HintOf(err))
		}
	}
}

func TestPlaintextIsForThisMachineOnly(t *testing.T) {
	for url, allowed := range map[string]bool{
		"imap+plain://me@127.0.0.1": true, "imap+plain://me@127.9.9.9": true, "imap+plain://me@[::1]": true,
		"imap+plain://me@localhost": true, "imap+plain://me@127.0.0.1.example.com": false, "imap+plain://me@localhost.example.com": false,
		"imap+plain://me@example.com": false, "imap+plain://me@10.0.0.1": false, "imaps://me@example.com": true, "imap://me@example.com": true,
	} {
		server, err := ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkServer(Builtin("x", server, "d")); (err == nil) != allowed {
			t.Errorf("%s: %v", url, err)
		}
		account := Builtin("x", server, "d")
		account.AllowPlaintext = true
		if err := checkServer(account); err != nil {
			t.Errorf("%s with allow_plaintext: %v", url, err)
		}
	}
}

func FuzzParseURLNeverEchoesPasswords(f *testing.F) {
	f.Add("imaps://me:", "@host")
	f.Add("imap+plain://", "@[::1]:143")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "Zq7pXvLw"
		server, err := ParseURL(before + secret + after)
		if err != nil && strings.Contains(err.Error()+HintOf(err), secret) {
			t.Fatalf("ParseURL(%q): %v", before+secret+after, err)
		}
		if err == nil {
			if again, err := ParseURL(server.String()); err != nil || again != server {
				t.Fatalf("%+v is written %q and read as %+v, %v", server, server.String(), again, err)
			}
		}
	})
}
