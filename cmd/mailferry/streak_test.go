package main

import (
	"testing"
	"time"

	"mailferry/cmd/internal/ui"
)

func TestAStreakOfFailuresIsToldOnce(t *testing.T) {
	offline := ui.Summary{ExitCode: exitTemporary}
	refused := ui.Summary{ExitCode: exitGuarded}
	refused.Guarded = 30
	more := refused
	more.Guarded = 40
	locked := ui.Summary{ExitCode: exitLocked}
	var s streak
	for i, step := range []struct {
		end    ui.Summary
		isNews bool
	}{
		{offline, true}, {offline, false}, {locked, false}, {offline, false}, {refused, true}, {refused, false}, {more, true},
		{ui.Summary{}, true}, {locked, false}, {offline, true},
	} {
		if news := s.isNews(step.end); news != step.isNews {
			t.Errorf("run %d: news: %v", i, news)
		}
		s.add(step.end, time.Now())
	}
}
