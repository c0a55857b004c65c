package ui

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/verify"
)

const hostile = "</script><script>alert(1)</script>\x1b[2J\u202e"

func hashOf(n byte) (h mailbox.Hash) {
	h[0], h[31] = n, 1
	return h
}

func someVerification() Verification {
	report := &verify.Report{
		Pairs: 3, Read: 3, KeptHere: 2,
		Mailboxes: []verify.MailboxReport{
			{
				Name: "INBOX", HasHere: true, HasThere: true, Equal: 2,
				Here:  verify.Tally{Messages: 2, Octets: 4096, Digest: hashOf(7), Hashes: []mailbox.Hash{hashOf(1), hashOf(1)}},
				There: verify.Tally{Messages: 2, Octets: 4096, Digest: hashOf(7)},
				Years: map[int][2]int{2023: {1, 1}, 0: {1, 1}},
			},
			{
				Name: hostile, HasHere: true, Differences: 1,
				Here:  verify.Tally{Messages: 1, Octets: 10, Digest: hashOf(8), Hashes: []mailbox.Hash{hashOf(2)}},
				Years: map[int][2]int{2024: {1, 0}},
			},
		},
		Differences: []verify.Difference{{
			Kind: verify.MissingThere, Mailbox: hostile, Key: hostile, Size: 10, Subject: hostile, Detail: hostile,
		}},
	}
	return Verification{Account: hostile, Compared: []string{"store and imaps://me@example.com"}, Reports: []*verify.Report{report}}
}

func somePage(t *testing.T) (*Proof, []byte) {
	t.Helper()
	proof := NewProof(someVerification(), "mailferry 1.0", "/mail", []string{hostile}, time.Unix(1e9, 0))
	page, err := proof.WriteHTML()
	if err != nil {
		t.Fatal(err)
	}
	return proof, page
}

func TestProofKeepsHostileTextText(t *testing.T) {
	_, page := somePage(t)
	if n := bytes.Count(page, []byte("<script")); n != 1 {
		t.Errorf("the page has %d scripts; one, its data, is meant", n)
	}
	if bytes.ContainsAny(page, "\x1b\u202e") {
		t.Error("the page has a control character")
	}
	for _, outside := range []string{"http://", "https://", "src=", "@import", "url("} {
		if bytes.Contains(page, []byte(outside)) {
			t.Errorf("the page reaches for %q", outside)
		}
	}
}

func TestProofIsReadBackAndNoticesChanges(t *testing.T) {
	proof, page := somePage(t)
	read, err := ReadProof(page)
	if err != nil {
		t.Fatal(err)
	}
	if read.Digest != proof.Digest || read.Len() != 3 || read.OK {
		t.Errorf("read back: %+v", read)
	}
	for _, change := range [][2]string{
		{`"messages":2`, `"messages":3`}, {`"ok":false`, `"ok":true`}, {"INBOX\",\"hashes", "INBOX2\",\"hashes"}, {`<script type="application/json"`, "<script"},
	} {
		forged := bytes.Replace(page, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(forged, page) {
			t.Errorf("%q is not in the page", change[0])
		}
		if _, err := ReadProof(forged); !errors.Is(err, ErrProof) {
			t.Errorf("%q for %q: error %v", change[1], change[0], err)
		}
	}
}

func TestProofCountsIdenticalMessagesOneByOne(t *testing.T) {
	proof, _ := somePage(t)
	cases := []struct {
		name    string
		found   []mailbox.Hash
		missing map[mailbox.Name]int
	}{
		{"all, and more", []mailbox.Hash{hashOf(1), hashOf(1), hashOf(2), hashOf(3)}, map[mailbox.Name]int{}},
		{"one of two", []mailbox.Hash{hashOf(1), hashOf(2)}, map[mailbox.Name]int{"INBOX": 1}},
		{"none", nil, map[mailbox.Name]int{"INBOX": 2, hostile: 1}},
	}
	for _, c := range cases {
		missing, err := proof.Missing(c.found)
		if err != nil || len(missing) != len(c.missing) {
			t.Errorf("%s: missing %v, %v", c.name, missing, err)
		}
		for name, n := range c.missing {
			if missing[name] != n {
				t.Errorf("%s: %d are missing from %q, want %d", c.name, missing[name], name, n)
			}
		}
	}
}

func TestVerdictOfRewrittenMessagesIsNoLoss(t *testing.T) {
	v := someVerification()
	if text := v.Verdict(); !strings.HasPrefix(text, "1 difference: 1 missing there") {
		t.Error(text)
	}
	v.Reports[0].Differences[0].Kind = verify.Rewritten
	if text := v.Verdict(); !strings.HasPrefix(text, "nothing is missing: ") || !strings.Contains(text, "1 was rewritten") || v.Losses() != 0 {
		t.Error(text)
	}
	v.Quick = true
	if text := v.Verdict(); !strings.Contains(text, "no message was read") {
		t.Error(text)
	}
}
