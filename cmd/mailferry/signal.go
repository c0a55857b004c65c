package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// watchSignals lets the first SIGINT or SIGTERM end a run after the message at
// hand, with all that is done committed; the second one cancels it. Cancelling
// is safe too: the next run recovers.
func (a *app) watchSignals(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stop := make(chan struct{})
	a.stop = stop
	go func() {
		select {
		case a.stopSignal = <-signals:
		case <-ctx.Done():
			return
		}
		close(stop)
		if a.console.IsTerminal() && !a.flags.quiet {
			a.console.Warning("stopping after the message at hand; press again to stop at once", "")
		}
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}

// stopped reports whether the user asked to stop.
func (a *app) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}
