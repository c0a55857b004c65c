package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"mailferry/cmd/internal/config"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// query chooses messages: each of its terms has to hold. A text without terms
// is a Maildir key or a Message-ID.
type query struct {
	name  string
	terms []queryTerm
}

type queryTerm struct{ field, text string }

// queryFields are what a term may be about.
var queryFields = []string{"from", "to", "subject", "mailbox", "since", "before"}

// parseQuery reads `from:ann subject:invoice`. A word without a field belongs
// to the term before it, and so does what stands in double quotes: `subject:two
// words` is `subject:"two words"`.
func parseQuery(text string) (query, error) {
	text = strings.TrimSpace(text)
	if first, _, isTerm := strings.Cut(strings.TrimLeft(text, `"`), ":"); text != "" && (!isTerm || !isQueryField(first)) {
		return query{name: text}, nil
	}
	words, err := queryWords(text)
	if err != nil {
		return query{}, err
	}
	var q query
	for _, word := range words {
		if field, rest, isTerm := strings.Cut(word, ":"); isTerm && isQueryField(field) {
			q.terms = append(q.terms, queryTerm{strings.ToLower(field), rest})
		} else {
			last := &q.terms[len(q.terms)-1]
			last.text = strings.TrimSpace(last.text + " " + word)
		}
	}
	if len(q.terms) == 0 {
		return query{}, errors.New("is empty")
	}
	for _, t := range q.terms {
		if t.text == "" {
			return query{}, fmt.Errorf("%s: what? Write %s:text", t.field, t.field)
		}
		if t.field == "since" || t.field == "before" {
			if _, err := time.ParseInLocation(time.DateOnly, t.text, time.Local); err != nil {
				return query{}, fmt.Errorf("%.40q is not a date such as 2024-01-31", t.text)
			}
		}
	}
	return q, nil
}

// queryWords splits at spaces, but for those between double quotes, which are
// left out.
func queryWords(text string) ([]string, error) {
	isQuoted := false
	words := strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			isQuoted = !isQuoted
		}
		return !isQuoted && unicode.IsSpace(r)
	})
	if isQuoted {
		return nil, errors.New("a quotation mark is not closed")
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], `"`, "")
	}
	return words, nil
}

func isQueryField(name string) bool {
	for _, field := range queryFields {
		if strings.EqualFold(field, name) {
			return true
		}
	}
	return false
}

// kept is a message that is on disk and not on the server.
type kept struct {
	folder mailbox.Name
	key    mailbox.Key
	date   mailbox.Date
	header mail.Header
}

// matches reports whether a message is one that the query means.
func (q query) matches(m kept) bool {
	if q.name != "" {
		id := strings.Trim(m.header.Get("Message-ID"), "<> ")
		return string(m.key) == q.name || id != "" && id == strings.Trim(q.name, "<>")
	}
	for _, t := range q.terms {
		if !t.holds(m) {
			return false
		}
	}
	return true
}

func (t queryTerm) holds(m kept) bool {
	switch t.field {
	case "mailbox":
		return strings.EqualFold(string(m.folder), t.text)
	case "since", "before":
		day, err := time.ParseInLocation(time.DateOnly, t.text, time.Local)
		return err == nil && m.date.Known && (m.date.Unix < day.Unix()) == (t.field == "before")
	}
	value := m.header.Get(t.field)
	if decoded, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
		value = decoded
	}
	return strings.Contains(strings.ToLower(value), strings.ToLower(t.text))
}

// errNoneKept: nothing that the archive keeps is meant.
var errNoneKept = errors.New("no message that is on disk only is meant by that")

// bringBackPolicy is a backup that uploads the messages that were asked for.
func (a *app) bringBackPolicy(ctx context.Context, j job, account config.Account, both *sides) (plan.Policy, error) {
	queries := make([]query, len(j.archive.bringBack))
	for i, text := range j.archive.bringBack {
		var err error
		if queries[i], err = parseQuery(text); err != nil {
			return plan.Policy{}, usagef("--restore-to-server: %w", err)
		}
	}
	policy := plan.Backup()
	policy.BringBack = map[mailbox.Key]bool{}
	used := make([]bool, len(queries))
	err := both.eachKept(ctx, account.Mailboxes.Selects, func(m kept) {
		for i, q := range queries {
			if q.matches(m) {
				policy.BringBack[m.key], used[i] = true, true
			}
		}
	})
	if err != nil {
		return plan.Policy{}, err
	}
	for i, isUsed := range used {
		if !isUsed {
			return plan.Policy{}, hintedError{
				fmt.Errorf("--restore-to-server %q: %w", j.archive.bringBack[i], errNoneKept),
				"what is still on the server needs not be brought back; how to name messages: mailferry help archive",
			}
		}
	}
	return policy, nil
}

// eachKept hands over the messages that an archive or a backup keeps alone.
func (s *sides) eachKept(ctx context.Context, selects func(mailbox.Name) bool, each func(kept)) error {
	links, err := s.linksByFolder(ctx)
	if err != nil {
		return err
	}
	marks, err := s.base.Marks(ctx)
	if err != nil {
		return err
	}
	folders, err := s.disk.Folders(ctx)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if !selects(folder) {
			continue
		}
		files, _, err := s.disk.List(ctx, folder)
		if err != nil {
			return err
		}
		for _, file := range files {
			link, isKnown := links[folder][file.Key]
			m := kept{folder: folder, key: file.Key, date: link.Date}
			switch {
			case isKnown && link.Kind != mailbox.KeptLocal:
				continue
			case !isKnown:
				// Moved by a mail reader since the last run, or new.
				content, date, err := s.disk.Inspect(ctx, folder, file.Key)
				if err != nil || marks[content.Hash] != mailbox.Archived {
					continue
				}
				m.date = date
			}
			if m.header, err = s.headerOf(ctx, folder, file.Key); err == nil {
				each(m)
			}
		}
	}
	return ctx.Err()
}

// headerOf reads a message's header; one that cannot be understood is empty.
func (s *sides) headerOf(ctx context.Context, folder mailbox.Name, key mailbox.Key) (mail.Header, error) {
	file, err := s.disk.Open(ctx, folder, key)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	message, err := mail.ReadMessage(io.LimitReader(file, maxHeader))
	if err != nil {
		return mail.Header{}, nil
	}
	return message.Header, nil
}

func (s *sides) linksByFolder(ctx context.Context) (map[mailbox.Name]map[mailbox.Key]mailbox.Link, error) {
	known, err := s.base.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	byFolder := map[mailbox.Name]map[mailbox.Key]mailbox.Link{}
	for _, k := range known {
		links, err := s.base.Links(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		byFolder[k.Name] = map[mailbox.Key]mailbox.Link{}
		for _, link := range links {
			if link.Key != "" {
				byFolder[k.Name][link.Key] = link
			}
		}
	}
	return byFolder, nil
}
