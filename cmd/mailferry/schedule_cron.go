package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailferry/cmd/internal/schedule"
	"mailferry/cmd/internal/ui"
)

// cronScheduler keeps lines in the user's crontab.
type cronScheduler struct{ app *app }

// maxCronLine is what every cron takes: the usual one's limit is 1000 for the
// command alone.
const maxCronLine = 950

// read takes the crontab apart. A crontab that cannot be read is not an empty
// one: it would be overwritten.
func (c *cronScheduler) read(ctx context.Context) (string, *schedule.Crontab, error) {
	text, err := told(ctx, "", "crontab", "-l")
	if err != nil && !strings.Contains(strings.ToLower(err.Error()), "no crontab for") {
		return "", nil, err
	}
	if err != nil {
		text = ""
	}
	parsed, err := schedule.ParseCrontab(text)
	if errors.Is(err, schedule.ErrBlock) {
		err = hintedError{fmt.Errorf("your crontab: %w", err), "remove these lines and what is between them: crontab -e"}
	}
	return text, parsed, err
}

// write replaces the crontab and looks whether it is there.
func (c *cronScheduler) write(ctx context.Context, old, text string, dryRun bool) error {
	if dryRun || text == old {
		return nil
	}
	if now, _, err := c.read(ctx); err != nil || now != old {
		return errors.Join(errors.New("the crontab changed while it was looked at; nothing was written"), err)
	}
	if _, err := told(ctx, text, "crontab", "-"); err != nil {
		return err
	}
	if now, _, err := c.read(ctx); err != nil || now != text {
		return hintedError{errors.Join(errors.New("crontab did not keep what it was given"), err), "look at it: crontab -l"}
	}
	return nil
}

func (c *cronScheduler) install(ctx context.Context, jobs []schedule.Job, dryRun bool) error {
	old, table, err := c.read(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if n := len(j.CronLine()); n > maxCronLine {
			return hintedError{
				fmt.Errorf("the line would be %d octets long, and cron takes %d", n, maxCronLine),
				"PATH is the longest part of it: PATH=/usr/local/bin:/usr/bin:/bin " + ownPath() + " schedule install",
			}
		}
		table.Set(j)
		if dryRun && !c.app.flags.json {
			fmt.Fprintln(c.app.out(), ui.Escape(j.CronLine()))
		}
	}
	return c.write(ctx, old, table.String(), dryRun)
}

func (c *cronScheduler) remove(ctx context.Context, accounts []string, dryRun bool) (gone []string, err error) {
	old, table, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	for _, entry := range table.Entries() {
		if (len(accounts) == 0 || slices.Contains(accounts, entry.Account)) && table.Remove(entry.Account) {
			gone = append(gone, entry.Account)
		}
	}
	return gone, c.write(ctx, old, table.String(), dryRun)
}

func (c *cronScheduler) show(ctx context.Context) (list []scheduled, err error) {
	_, table, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	for _, entry := range table.Entries() {
		list = append(list, scheduled{account: entry.Account, text: entry.Line})
	}
	return list, nil
}
