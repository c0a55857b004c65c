package synctest

import (
	"testing"

	"mailferry/syncer/mailbox"
)

// oddNames are names of mailboxes that every server here takes.
var oddNames = []mailbox.Name{"Büro", "with space", "Büro/Süd", "日本"}

func TestModelKeepsTheContractOfRemote(t *testing.T) {
	for name, opts := range map[string]ModelOptions{
		"full":    FullModel(),
		"poor":    {},
		"UIDPLUS": {UIDPlus: true, ListStatus: true},
		"no MOVE": {CondStore: true, UIDPlus: true},
	} {
		t.Run(name, func(t *testing.T) {
			TestRemote(t, func(t *testing.T) RemoteFixture {
				m := NewModel(opts)
				return RemoteFixture{
					Remote: m, Messages: m, Mailboxes: m, Witness: m.Other(t),
					CondStore: opts.CondStore, UIDPlus: opts.UIDPlus, ContentIDs: opts.ObjectID, Names: oddNames,
				}
			})
		})
	}
}

func TestModelKeepsTheContractOfLocal(t *testing.T) {
	TestLocal(t, func(t *testing.T) LocalFixture {
		d := NewDisk(DiskOptions{})
		return LocalFixture{Local: d, Stream: d, Delivery: d, Copies: d, Messages: d, Folders: d, Reader: d.Reader(t), Names: oddNames}
	})
}

func TestModelKeepsTheContractOfBase(t *testing.T) {
	TestBase(t, func(t *testing.T) BaseFixture { return BaseFixture{Base: NewState(nil)} })
}
