package ui

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/verify"
)

// proofFormat is the version of Proof.
const proofFormat = 1

// maxProofRows is how many differences a page shows; its data counts all.
const maxProofRows = 2000

// Proof is what a page made by verify --html says, for programs: it is in the
// page as JSON.
type Proof struct {
	Format  int       `json:"format"`
	Program string    `json:"program"`
	Made    time.Time `json:"made"`
	Account string    `json:"account"`
	// Store is the folder, "" where two servers were compared.
	Store   string `json:"store,omitempty"`
	Verdict string `json:"verdict"`
	// OK says that nothing but rewritten messages differed.
	OK bool `json:"ok"`
	// Complete says that every message was read.
	Complete    bool              `json:"complete"`
	Comparisons []ProofComparison `json:"comparisons"`
	// Asides and NotChecked are told on the page.
	Asides     []string `json:"asides,omitempty"`
	NotChecked []string `json:"not_checked,omitempty"`
	// Messages lists what the first side holds.
	Messages []ProofMailbox `json:"messages"`
	// Digest is the SHA-256 of this object's JSON with an empty Digest.
	Digest string `json:"digest"`
}

// ProofComparison is one comparison of two sides.
type ProofComparison struct {
	Here        string              `json:"here"`
	There       string              `json:"there"`
	Mailboxes   []ProofRow          `json:"mailboxes"`
	Differences []verify.Difference `json:"-"`
	Kinds       map[verify.Kind]int `json:"kinds"`
	years       map[int][2]int
}

// ProofRow is one mailbox on both sides.
type ProofRow struct {
	Name        mailbox.Name `json:"name"`
	Here        ProofTally   `json:"here"`
	There       ProofTally   `json:"there"`
	Equal       int          `json:"equal"`
	Differences int          `json:"differences"`
}

// ProofTally is what one side holds of a mailbox. Digest is "" where not every
// message was read.
type ProofTally struct {
	Messages int    `json:"messages"`
	Octets   int64  `json:"octets"`
	Digest   string `json:"digest,omitempty"`
}

// ProofMailbox lists a mailbox's messages by the first 16 octets of their
// SHA-256, sorted, in base64.
type ProofMailbox struct {
	Name   mailbox.Name `json:"name"`
	Hashes string       `json:"hashes"`
}

// hashPrefix is how many octets of a hash a proof lists.
const hashPrefix = 16

// NewProof makes a proof of what was compared.
func NewProof(v Verification, program, store string, notChecked []string, made time.Time) *Proof {
	p := &Proof{
		Format: proofFormat, Program: program, Made: made.UTC().Truncate(time.Second), Account: v.Account, Store: store,
		Verdict: v.Verdict(), OK: v.Losses() == 0, Complete: !v.Quick && v.Sample == 0,
		Asides: v.Asides(), NotChecked: notChecked,
	}
	for i, r := range v.Reports {
		names := sidesOf(v.Compared[i])
		c := ProofComparison{Here: names[0], There: names[1], Kinds: map[verify.Kind]int{}, Differences: r.Differences, years: map[int][2]int{}}
		for _, m := range r.Mailboxes {
			c.Mailboxes = append(c.Mailboxes, ProofRow{
				Name: m.Name, Here: proofTally(m.Here), There: proofTally(m.There), Equal: m.Equal, Differences: m.Differences,
			})
			for year, n := range m.Years {
				sum := c.years[year]
				c.years[year] = [2]int{sum[0] + n[0], sum[1] + n[1]}
			}
		}
		for _, d := range r.Differences {
			c.Kinds[d.Kind]++
		}
		p.Comparisons = append(p.Comparisons, c)
	}
	if p.Complete && len(v.Reports) > 0 {
		for _, m := range v.Reports[0].Mailboxes {
			if m.HasHere {
				p.Messages = append(p.Messages, ProofMailbox{Name: m.Name, Hashes: listHashes(m.Here.Hashes)})
			}
		}
	}
	p.Digest = p.digest()
	return p
}

func proofTally(t verify.Tally) ProofTally {
	tally := ProofTally{Messages: t.Messages, Octets: t.Octets}
	if !t.Digest.IsZero() {
		tally.Digest = t.Digest.String()
	}
	return tally
}

func listHashes(hashes []mailbox.Hash) string {
	list := make([]byte, 0, hashPrefix*len(hashes))
	for i := range hashes {
		list = append(list, hashes[i][:hashPrefix]...)
	}
	return base64.StdEncoding.EncodeToString(list)
}

func (p *Proof) digest() string {
	bare := *p
	bare.Digest = ""
	text, err := json.Marshal(bare)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Missing counts the proof's messages of each mailbox that found no longer
// has; found returns the hashes of all messages that there are now. A message
// that is in another mailbox now is not missing.
func (p *Proof) Missing(found []mailbox.Hash) (map[mailbox.Name]int, error) {
	have := make(map[[hashPrefix]byte]int, len(found))
	for i := range found {
		have[[hashPrefix]byte(found[i][:hashPrefix])]++
	}
	missing := map[mailbox.Name]int{}
	for _, m := range p.Messages {
		list, err := base64.StdEncoding.DecodeString(m.Hashes)
		if err != nil || len(list)%hashPrefix != 0 {
			return nil, fmt.Errorf("%w: the list of %s", ErrProof, m.Name)
		}
		for one := range slices.Chunk(list, hashPrefix) {
			key := [hashPrefix]byte(one)
			if have[key] == 0 {
				missing[m.Name]++
				continue
			}
			have[key]--
		}
	}
	return missing, nil
}

// Len counts the messages that the proof lists.
func (p *Proof) Len() int {
	n := 0
	for _, m := range p.Messages {
		n += base64.StdEncoding.DecodedLen(len(m.Hashes)) / hashPrefix
	}
	return n
}

// ErrProof is returned for a page that is no proof, or was changed.
var ErrProof = errors.New("not a proof as mailferry writes it")

var (
	proofBegin = []byte(`<script type="application/json" id="proof">`)
	proofEnd   = []byte(`</script>`)
)

// ReadProof reads a page that Proof.WriteHTML wrote. Errors wrap ErrProof.
func ReadProof(page []byte) (*Proof, error) {
	_, rest, found := bytes.Cut(page, proofBegin)
	data, _, ended := bytes.Cut(rest, proofEnd)
	if !found || !ended {
		return nil, fmt.Errorf("%w: there is no data in the page", ErrProof)
	}
	var p Proof
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if p.Format != proofFormat {
		return nil, fmt.Errorf("%w: format %d", ErrProof, p.Format)
	}
	if p.Digest != p.digest() {
		return nil, fmt.Errorf("%w: its digest does not fit; the page was changed", ErrProof)
	}
	return &p, nil
}

//go:embed proof.html
var proofText string

// WriteHTML returns the page: self-contained, all text from mail escaped.
func (p *Proof) WriteHTML() ([]byte, error) {
	page, err := template.New("proof").Funcs(proofFuncs).Parse(proofText)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{"Proof": p, "Data": template.JS(escapeJSON(string(data))), "Sides": p.sides(), "Rows": p.rows(), "Charts": p.charts()})
	return b.Bytes(), err
}
