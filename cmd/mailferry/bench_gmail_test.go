//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

// The account of the case gmail, at a scale of 1.
const (
	gmailMessages = 5000
	gmailOctets   = 6000 // a message
	gmailLabels   = 10
)

// gmail measures the first pull of an account whose All Mail has every message
// that the labels have. The server is the tests' own: it names messages as
// Gmail does, and has none of Gmail's limits.
func (m *bench) gmail(b *testing.B) {
	messages := max(int(gmailMessages*m.scale), gmailLabels)
	server := synctest.StartGmail(b, messages, gmailOctets, synctest.Labels(gmailLabels)...)
	link := newBenchLink(b, server.Addr, 50*time.Millisecond, 100)
	row := m.table.row(fmt.Sprintf("first pull of an account like Gmail's, 50 ms and 100 Mbit/s: %d messages (%s) in All Mail, and each in one of %d labels, too",
		messages, octetsText(server.Octets()), gmailLabels))
	programs := slices.DeleteFunc(slices.Clone(m.programs), func(p benchProgram) bool {
		return p.name != ours && !strings.HasPrefix(p.name, "mbsync")
	})
	for round := range m.rounds {
		for i := range programs {
			p := programs[(i+round)%len(programs)]
			if p.once && round > 0 {
				continue
			}
			job := &benchJob{addr: link.addr, user: "me", messages: 2 * messages}
			m.freshDir(job)
			link.traffic()
			figure := p.measure(b, job)
			figure.traffic = link.traffic()
			row.add(p.name, figure)
			b.Logf("gmail: %s: %.2f s", p.name, figure.wall.Seconds())
		}
	}
	for _, p := range programs {
		b.ReportMetric(row.median(p.name).Seconds(), p.slug()+"-s")
	}
	b.ReportMetric(0, "ns/op")
}
