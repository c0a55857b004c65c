package plan

// Side is what happened to a message on one side since the base.
type Side uint8

// What can have happened to a message on one side.
const (
	// Same: there, with the flags it had.
	Same Side = iota
	// Changed: there, with other flags.
	Changed
	// Gone: provably not there any more.
	Gone
	// Unknown: the listing does not tell; nothing may follow from it.
	Unknown
	// New: there, and not in the base.
	New
	// None: not there, and not in the base.
	None
)

var sideNames = [...]string{"same", "changed", "gone", "unknown", "new", "none"}

func (s Side) String() string { return sideNames[s] }

// Effect is what a rule asks for, before the policy has its say.
type Effect uint8

// The effects.
const (
	// Nothing is to be done.
	Nothing Effect = iota
	// MergeFlags carries each side's flag changes to the other, one flag at a
	// time.
	MergeFlags
	// FollowServer removes the local copy.
	FollowServer
	// FollowDisk removes the server's copy.
	FollowDisk
	// SendAgain uploads the local copy, which changed, once more.
	SendAgain
	// FetchAgain downloads the server's copy, which changed, once more.
	FetchAgain
	// Unlink forgets the message: both copies are gone.
	Unlink
	// Receive downloads a new message.
	Receive
	// Send uploads a new message.
	Send
	// Pair links two messages that are the same to the octet.
	Pair
	// Move takes a message from one mailbox to another without transfer.
	Move
	// Release takes the server's copy away that the archive has proved to be
	// on disk, or reports that it is there.
	Release
	// Copy has a message in a second mailbox without transfer.
	Copy
)

// Row is one case of the table of rules.
type Row struct {
	Rule          Rule
	Server, Disk  Side
	Effect        Effect
	What, Because string
}

// Rules returns the table by which every message is decided. Make looks each
// message up in it; there are no other rules.
func Rules() []Row { return append([]Row(nil), rules...) }

var rules = []Row{
	{"in-step", Same, Same, Nothing, "nothing", "both sides are as they were"},
	{"flags-from-server", Changed, Same, MergeFlags, "flags go to the disk", "only the server changed"},
	{"flags-from-disk", Same, Changed, MergeFlags, "flags go to the server", "only the disk changed"},
	{"flags-merged", Changed, Changed, MergeFlags, "each flag goes its way", "different flags do not conflict"},
	{"deleted-on-server", Gone, Same, FollowServer, "the file goes to the store's trash", "deleted on the server, untouched on disk"},
	{"deleted-on-disk", Same, Gone, FollowDisk, "the message is expunged", "deleted on disk, untouched on the server"},
	{"changed-beats-deleted-on-server", Gone, Changed, SendAgain, "kept and uploaded again", "somebody still cares about it"},
	{"changed-beats-deleted-on-disk", Changed, Gone, FetchAgain, "kept and downloaded again", "somebody still cares about it"},
	{"deleted-on-both", Gone, Gone, Unlink, "forgotten", "nothing is left to keep"},
	{"new-on-server", New, None, Receive, "downloaded", "the disk does not have it"},
	{"new-on-disk", None, New, Send, "uploaded", "the server does not have it"},
	{"same-content", New, New, Pair, "linked without transfer", "both sides have it, octet for octet"},
	{"moved-on-server", New, None, Move, "the file is moved", "another mailbox on the server lost the same message"},
	{"copied-on-server", New, None, Copy, "the file is linked, or copied", "another mailbox has the same message"},
	{"copied-on-disk", None, New, Copy, "copied on the server", "another mailbox has the same message"},
	{"moved-on-disk", None, New, Move, "the message is moved", "another folder lost the same file"},
	{archived, Same, Same, Release, "expunged, once proved to be on disk", "an archive's limits let it go"},
	{archiveReport, Same, Same, Release, "its copy here is reported", "other machines have not reported theirs (leave_for)"},
	{BroughtBack, Gone, Same, Send, "uploaded again", "an archive keeps it, and it was asked for"},
	{"server-unknown", Unknown, Same, Nothing, "nothing", "the server's listing proves nothing"},
	{"server-unknown", Unknown, Changed, Nothing, "nothing", "the server's listing proves nothing"},
	{"server-unknown", Unknown, Gone, Nothing, "nothing", "the server's listing proves nothing"},
	{"disk-unknown", Same, Unknown, Nothing, "nothing", "the folder's listing proves nothing"},
	{"disk-unknown", Changed, Unknown, Nothing, "nothing", "the folder's listing proves nothing"},
	{"disk-unknown", Gone, Unknown, Nothing, "nothing", "the folder's listing proves nothing"},
	{"both-unknown", Unknown, Unknown, Nothing, "nothing", "neither listing proves anything"},
}

// rule looks a case up. A case that is not in the table does nothing.
func rule(server, disk Side) Row {
	for _, row := range rules {
		if row.Server == server && row.Disk == disk && row.Effect <= Unlink {
			return row
		}
	}
	return Row{Rule: "no-rule", Server: server, Disk: disk}
}
