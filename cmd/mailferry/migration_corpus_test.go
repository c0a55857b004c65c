package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// Of the mover's mail, what no server may take for granted.
const (
	// dotted has in a level what separates levels elsewhere.
	dotted = mailbox.Name("Projekte/v1.2")
	// forbidden and percent are names that Cyrus refuses.
	forbidden, percent = mailbox.Name("wow!"), mailbox.Name("100% sure")
	// largeMessage is more than the new server takes.
	largeOctets, largeLimit = 400 << 10, 300 << 10
)

// moverMailboxes are 40 mailboxes as people have them.
func moverMailboxes() []mailbox.Name {
	names := []mailbox.Name{
		inbox, "Sent", "Drafts", "Trash", "Archiv", "Archiv/2019", "Archiv/2020", "Archiv/2021", dotted, forbidden,
		"Entwürfe & Skizzen", "Größe/Übermut/Straße", "日本語", "日本語/メール", "Ящик", "Old Mail", percent, "a+b=c",
		"Rock 'n' Roll", "(in) brackets", "Deep/1/2/3/4/5/6/7/8/9", "Deep/1/2", "Leer", "Leer/auch leer",
	}
	for i := len(names); i < 40; i++ {
		names = append(names, mailbox.Name(fmt.Sprintf("Lists/list-%02d", i)))
	}
	return names
}

// moverZones are odd ones among the usual.
var moverZones = []int{0, 3600, 7200, -18000, 20700, -12600, 50400, -43200, 34200}

// fillMover gives a user n messages: with 20 keywords, dates before 1970, odd
// zones and one message that is too large for the new server.
func fillMover(u *synctest.User, n int) {
	random := rand.New(rand.NewPCG(5, 40))
	names := moverMailboxes()
	for _, name := range names {
		if name != inbox {
			u.Create(name)
		}
	}
	for i := range n {
		name := names[random.IntN(len(names))]
		if strings.HasPrefix(string(name), "Leer") {
			name = inbox
		}
		u.Append(name, moverFlags(random), moverDate(random, i), moverMessage(random, i))
	}
	large := append(moverMessage(random, n), []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", largeOctets/78))...)
	u.Append("Archiv", mailbox.Flags{}, mailbox.DateOf(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)), large)
	u.Append(forbidden, mailbox.Flags{}, mailbox.DateOf(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)), moverMessage(random, n+1))
}

func moverFlags(random *rand.Rand) mailbox.Flags {
	var names []string
	for _, name := range []string{seen, flagged, answered, draft} {
		if random.IntN(3) == 0 {
			names = append(names, name)
		}
	}
	for random.IntN(2) == 0 {
		names = append(names, fmt.Sprintf("$Label%d", random.IntN(20)))
	}
	return mailbox.NewFlags(names...)
}

// moverDate is before 1970 for every fiftieth message.
func moverDate(random *rand.Rand, i int) mailbox.Date {
	zone := time.FixedZone("", moverZones[random.IntN(len(moverZones))])
	first := time.Date(1995, 1, 1, 0, 0, 0, 0, zone)
	if i%50 == 7 {
		first = time.Date(1940, 1, 1, 0, 0, 0, 0, zone)
	}
	return mailbox.DateOf(first.Add(time.Duration(random.IntN(28*365*24*3600)) * time.Second))
}

func moverMessage(random *rand.Rand, i int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from a.example by b.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n")
	if i%10 != 3 {
		fmt.Fprintf(&b, "Message-ID: <%d.mover@example.com>\r\n", i)
	}
	fmt.Fprintf(&b, "From: a%d@example.com\r\nDate: Mon, 1 Jan 2024 00:00:%02d +0000\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= %d\r\n\r\n", i%7, i%60, i)
	for range 1 + random.IntN(40) {
		fmt.Fprintf(&b, "Zeile %d: %x äöü\r\n", random.IntN(1000), random.Uint64())
	}
	return []byte(b.String())
}
