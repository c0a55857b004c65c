package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/discover"
	"mailferry/cmd/internal/ui"
)

// findServer finds out where the mail is. Afterwards the server is one that
// somebody agreed to, or that speaks for the address's domain.
func (s *setup) findServer(ctx context.Context) error {
	if s.flags.url != "" {
		parsed, err := config.ParseURL(s.flags.url)
		if err != nil {
			return usagef("--url: %w", err)
		}
		s.take(discover.Finding{Server: parsed, Source: "--url", IsTrusted: true})
		s.address = cmp.Or(s.address, parsed.User)
		return nil
	}
	address, err := s.whose(ctx)
	if err != nil {
		return err
	}
	found, err := s.look(ctx, address)
	switch {
	case err != nil && s.ask == nil:
		return hintedError{usagef("%w", err), "name it: mailferry init " + quoted(s.address) + " --url imaps://user@imap.example.com"}
	case err != nil:
		s.ask.tell("No server was found for %s.", address.Domain)
		return s.askServer(ctx, address)
	case s.ask == nil:
		return s.takeCertain(found)
	}
	return s.agree(ctx, address, found)
}

// whose is the address, asked for if it was not given.
func (s *setup) whose(ctx context.Context) (address discover.Address, err error) {
	if s.address != "" {
		if address, err = discover.ParseAddress(s.address); err != nil {
			return address, usagef("%w", err)
		}
		return address, nil
	}
	err = s.ask.until(ctx, "Your mail address", "", func(text string) (err error) {
		address, err = discover.ParseAddress(text)
		s.address = address.Text
		return err
	})
	return address, err
}

func (s *setup) look(ctx context.Context, address discover.Address) ([]discover.Finding, error) {
	if found := discover.Lookup(address); len(found) > 0 || s.flags.offline {
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: mailferry does not know this domain", address.Domain)
		}
		return found, nil
	}
	if s.ask != nil {
		s.ask.tell("Looking for the mail server of %s: its web server, Mozilla's database, DNS ...", address.Domain)
	}
	found, err := s.app.finder.Find(ctx, address)
	if err != nil && ctx.Err() != nil {
		err = context.Canceled
	}
	return found, err
}

// takeCertain takes the best finding where nobody can be asked, if it is sure.
func (s *setup) takeCertain(found []discover.Finding) error {
	best := found[0]
	for _, f := range found {
		if f.IsTrusted && f.For == "" {
			s.take(f)
			return nil
		}
	}
	return hintedError{
		usagef("%s may be the server (%s), which somebody has to confirm", best.Server.Host, best.Source),
		"if it is: mailferry init " + quoted(s.address) + " --url " + quoted(best.Server.String()),
	}
}

// take makes a finding the server.
func (s *setup) take(f discover.Finding) {
	s.server, s.source, s.provider, s.login = f.Server, f.Source, f.Provider, f.Login
	if p, ok := discover.ByHost(f.Server.Host); ok && s.provider.ID == "" {
		s.provider, s.login = p, p.Login
	}
	s.json(map[string]any{
		"type": "server", "url": f.Server.String(), "source": f.Source, "trusted": f.IsTrusted, "provider": s.provider.ID,
		"login": string(s.login), "notes": append([]string{}, s.provider.Notes...),
	})
}

// agree shows what was found, and asks.
func (s *setup) agree(ctx context.Context, address discover.Address, found []discover.Finding) error {
	lines := make([]string, 0, len(found)+1)
	for _, f := range found {
		lines = append(lines, serverLine(f))
	}
	lines = append(lines, "none of these: name it yourself")
	preset := 0
	if found[0].IsTrusted {
		preset = 1
	} else {
		s.ask.tell("The first of these was not told by %s itself. Take it only if you know that it is your provider's.", address.Domain)
	}
	i, err := s.ask.choose(ctx, "Your password will be sent to the server that you choose here. Which is yours?", lines, preset)
	if err != nil {
		return err
	}
	if i > len(found) {
		return s.askServer(ctx, address)
	}
	s.take(found[i-1])
	return s.askUser(ctx)
}

func serverLine(f discover.Finding) string {
	text := fmt.Sprintf("%s, %s; %s", f.Server.Host, protocolText(f.Server), f.Source)
	if f.For != "" {
		text += "; for " + f.For
	}
	return text
}

func protocolText(server config.Server) string {
	kind := map[string]string{"imap": "IMAP", "pop3": "POP3"}[server.Protocol]
	switch server.Security {
	case config.TLS:
		kind += " with TLS"
	case config.StartTLS:
		kind += " with STARTTLS"
	default:
		kind += " without protection"
	}
	return fmt.Sprintf("%s, port %d", kind, server.Port)
}

// askServer takes a server's name or URL.
func (s *setup) askServer(ctx context.Context, address discover.Address) error {
	err := s.ask.until(ctx, "The server's name, such as imap.example.com, or a URL (mailferry help configuration)", "", func(text string) error {
		if !config.IsURL(text) {
			if text == "" || strings.ContainsAny(text, " /@") {
				return errors.New("that is no server's name")
			}
			text = config.Server{Scheme: "imaps", User: address.Text, Host: strings.ToLower(text), Port: 993}.String()
		}
		parsed, err := config.ParseURL(text)
		if err != nil {
			return err
		}
		s.take(discover.Finding{Server: parsed, Source: "you named it", IsTrusted: true})
		return nil
	})
	if err != nil {
		return err
	}
	return s.askUser(ctx)
}

// askUser tells what has to be known of the provider, and asks for the user's
// name there.
func (s *setup) askUser(ctx context.Context) error {
	for _, note := range s.provider.Notes {
		s.ask.tell("  Note: %s", note)
	}
	user, err := s.ask.line(ctx, "Your user name there", s.server.User)
	if err != nil {
		return err
	}
	s.server.User = user
	return nil
}

// providersTable is the table of what is known, for the help topic.
func providersTable() string {
	var b strings.Builder
	for _, p := range discover.Providers() {
		fmt.Fprintf(&b, "%s\n", p.Name)
		for _, place := range p.Places {
			whose := ""
			switch {
			case place.For != "":
				whose = "for " + place.For
			case len(place.Domains) > 4:
				whose = strings.Join(place.Domains[:4], ", ") + " and others"
			case len(place.Domains) > 0:
				whose = strings.Join(place.Domains, ", ")
			default:
				whose = "own domains there (" + strings.Join(place.MX, ", ") + ")"
			}
			fmt.Fprintf(&b, "    %s\n        %s\n", place.URL, whose)
		}
		fmt.Fprintf(&b, "    Login: %s\n", loginText(p))
		for _, note := range p.Notes {
			b.WriteString(ui.Wrap("    - ", "      ", note, 80))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func loginText(p discover.Provider) string {
	text := map[discover.Login]string{
		discover.Password: "password", discover.AppPassword: "app password", discover.OAuth: "OAuth2 only (mailferry auth login)",
	}[p.Login]
	if p.HasOAuth && p.Login != discover.OAuth {
		text += ", or OAuth2"
	}
	return text
}
