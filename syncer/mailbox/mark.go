package mailbox

// Mark is what a store remembers of a content for good, whichever folder its
// file is moved to and whatever becomes of the state.
type Mark uint8

// The marks. They are stored: values never change their meaning.
const (
	// Unmarked contents are not remembered.
	Unmarked Mark = iota
	// Archived: proved to be on disk and taken from the server by an archive.
	// Files with this content are not new to the server.
	Archived
	// Returned: brought back to the server on request. An archive leaves it
	// there.
	Returned
)

// Marks are the contents that a store remembers.
type Marks map[Hash]Mark
