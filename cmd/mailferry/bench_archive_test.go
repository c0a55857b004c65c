//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// archiveGroupSize is how many messages one STORE and one EXPUNGE are asked to
// take: the archive's own number.
const archiveGroupSize = 500

// archive measures an archive of everything beside a backup of the same mail
// and beside the server's part: marking and expunging all of it, and nothing
// else. Each round has an account of its own.
func (m *bench) archive(b *testing.B) {
	c := bigCorpus.scaled(m.scale)
	var backup benchProgram
	for _, p := range m.programs {
		if p.name == ours {
			backup = p
		}
	}
	if backup.name == "" {
		return
	}
	archive := benchProgram{name: ours, command: func(ctx context.Context, job *benchJob) (*exec.Cmd, error) {
		cmd, err := backup.command(ctx, job)
		if err == nil {
			cmd.Args[1] = "archive"
			cmd.Args = append(cmd.Args, "--older-than=0d", "--keep-flagged=false")
		}
		return cmd, err
	}}
	backup.name = "mailferry, backup alone"
	server := benchProgram{name: "STORE and EXPUNGE alone", do: func(job *benchJob) error { return expungeAll(job.addr, job.user) }}
	row := m.table.row(fmt.Sprintf("archiving all of %s, loopback", c))
	row.programs = []benchProgram{archive, backup, server}
	for round := range m.rounds {
		for i := range row.programs {
			p := row.programs[(i+round)%len(row.programs)]
			user := m.server.User(m.tb)
			if err := c.onServer(user.Maildir); err != nil {
				b.Fatal(err)
			}
			if _, err := readAll(m.server.Addr, user.Name, 4, ""); err != nil {
				b.Fatal(err)
			}
			job := &benchJob{addr: m.server.Addr, user: user.Name, messages: c.messages}
			m.freshDir(job)
			figure := p.measure(b, job)
			row.add(p.name, figure)
			b.Logf("archive: %s: %.2f s", p.name, figure.wall.Seconds())
		}
	}
	for _, p := range row.programs {
		b.ReportMetric(row.median(p.name).Seconds(), p.slug()+"-s")
	}
	b.ReportMetric(0, "ns/op")
}

// expungeAll deletes everything, in groups.
func expungeAll(addr, user string) error {
	names, err := listRaw(addr, user)
	if err != nil {
		return err
	}
	c, err := dialRaw(addr, user)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, name := range names {
		if err := c.command(`SELECT "`+name+`"`, func([]byte) error { return nil }); err != nil {
			return err
		}
		var uids []string
		err := c.command("UID FETCH 1:* (UID)", func(line []byte) error {
			_, rest, _ := strings.Cut(string(line), "(UID ")
			number, _, _ := strings.Cut(rest, ")")
			if _, err := strconv.Atoi(number); err == nil {
				uids = append(uids, number)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for first := 0; first < len(uids); first += archiveGroupSize {
			set := uids[first] + ":" + uids[min(first+archiveGroupSize, len(uids))-1]
			for _, command := range []string{"UID STORE " + set + ` +FLAGS.SILENT (\Deleted)`, "UID EXPUNGE " + set} {
				if err := c.command(command, func([]byte) error { return nil }); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
