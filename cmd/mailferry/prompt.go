package main

import (
	"bufio"
	"context"
	"fmt"
	"sync"

	"golang.org/x/term"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/cmd/internal/vault"
)

// secrets finds the account's password, asking only where somebody can answer.
func (a *app) secrets(account config.Account) config.Secrets {
	secrets := config.Secrets{Account: account, Env: a.env}
	if keyring := vault.Desktop(a.env); keyring != nil {
		secrets.Keyring = keyring.Get
	}
	if a.canAsk() {
		secrets.Prompt = a.askPassword
		if a.answers != nil {
			secrets.Prompt = a.answers.once(a.askPassword)
		}
	}
	return secrets
}

// answers remembers what the user typed for a program that asks again and again.
type answers struct {
	mu    sync.Mutex
	given map[string]string
}

// once asks a question only once.
func (m *answers) once(ask func(ctx context.Context, question string) (string, error)) func(ctx context.Context, question string) (string, error) {
	return func(ctx context.Context, question string) (string, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if answer, known := m.given[question]; known {
			return answer, nil
		}
		answer, err := ask(ctx, question)
		if err == nil {
			m.given[question] = answer
		}
		return answer, err
	}
}

// forget has everything asked again.
func (m *answers) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.given)
}

// askPassword reads a line that the terminal does not show, not even what is
// typed as soon as the question appears. When ctx ends, it returns at once and
// gives the terminal back as it was.
func (a *app) askPassword(ctx context.Context, question string) (string, error) {
	a.asking.Lock()
	defer a.asking.Unlock()
	fd := int(a.stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	defer term.Restore(fd, before)
	if err := hideTyping(fd); err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	fmt.Fprint(a.console.Err(), question)
	type answer struct {
		text []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		answered <- answer{text, err}
	}()
	defer fmt.Fprintln(a.console.Err())
	select {
	case got := <-answered:
		if got.err != nil {
			return "", fmt.Errorf("ask for the password: %w", got.err)
		}
		return string(got.text), nil
	case <-a.stop:
	case <-ctx.Done():
	}
	return "", context.Canceled
}

// canAsk reports whether somebody is there to answer.
func (a *app) canAsk() bool {
	return !a.flags.noInput && a.console.IsTerminal() && term.IsTerminal(int(a.stdin.Fd()))
}

// askYes asks a question that only y or yes answers with yes.
func (a *app) askYes(ctx context.Context, question string) (bool, error) {
	fmt.Fprint(a.console.Err(), ui.Escape(question))
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(a.stdin).ReadString('\n')
		answered <- answer{text, err}
	}()
	select {
	case got := <-answered:
		return got.err == nil && isYes(got.text), nil
	case <-a.stop:
	case <-ctx.Done():
	}
	fmt.Fprintln(a.console.Err())
	return false, context.Canceled
}
