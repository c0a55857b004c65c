package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mailferry/maildirout"
	"mailferry/syncer/mailbox"
)

// maxHeader is how much of a message is searched for its Message-ID.
const maxHeader = 1 << 20

// errNoMessage: the store has no such message.
var errNoMessage = errors.New("no message of that key or Message-ID is in the store")

// found are messages of a store by folder.
type found map[mailbox.Name]map[mailbox.Key]bool

// findMessages looks for messages by key, or by Message-ID with or without its
// angle brackets: all copies. Folders that selects leaves out are not searched.
func findMessages(ctx context.Context, disk *maildirout.Store, selects func(mailbox.Name) bool, wanted []string) (found, error) {
	folders, err := disk.Folders(ctx)
	if err != nil {
		return nil, err
	}
	missing := slices.Clone(wanted)
	messages := found{}
	for _, name := range folders {
		if !selects(name) {
			continue
		}
		list, _, err := disk.List(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			which, err := matchMessage(ctx, disk, name, m.Key, wanted)
			if err != nil {
				return nil, err
			}
			if which == "" {
				continue
			}
			if messages[name] == nil {
				messages[name] = map[mailbox.Key]bool{}
			}
			messages[name][m.Key] = true
			missing = slices.DeleteFunc(missing, func(text string) bool { return text == which })
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: %w", missing[0], errNoMessage)
	}
	return messages, nil
}

// matchMessage returns which of wanted names the message, "" if none does. A
// file is opened only for a Message-ID.
func matchMessage(ctx context.Context, disk *maildirout.Store, name mailbox.Name, key mailbox.Key, wanted []string) (string, error) {
	isID := func(text string) bool { return strings.Contains(text, "@") || strings.HasPrefix(text, "<") }
	if slices.Contains(wanted, string(key)) {
		return string(key), nil
	}
	if !slices.ContainsFunc(wanted, isID) {
		return "", nil
	}
	file, err := disk.Open(ctx, name, key)
	if errors.Is(err, mailbox.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	id := messageID(file)
	for _, text := range wanted {
		if id != "" && strings.Trim(text, "<>") == id {
			return text, nil
		}
	}
	return "", nil
}

// messageID reads a message's header up to its Message-ID, which it returns
// without angle brackets; "" if there is none. (RFC 5322, section 3.6.4)
func messageID(message io.Reader) string {
	lines := bufio.NewReader(io.LimitReader(message, maxHeader))
	inField, text := false, ""
	for {
		line, err := lines.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		isFolded := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		if inField && !isFolded || line == "" || err != nil && line == "" {
			break
		}
		field, value, _ := strings.Cut(line, ":")
		if inField {
			text += line
		} else if strings.EqualFold(strings.TrimSpace(field), "Message-ID") {
			inField, text = true, value
		}
		if err != nil {
			break
		}
	}
	text = strings.TrimSpace(text)
	if _, after, ok := strings.Cut(text, "<"); ok {
		text, _, _ = strings.Cut(after, ">")
	}
	return text
}
