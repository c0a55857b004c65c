package mailbox

// Draft is a message that was written to a folder's tmp and has no name yet
// that a mail reader would see.
type Draft struct {
	Name    Name
	Key     Key
	Content Content
	// Flags decide between new and cur and are part of the file's name.
	Flags Flags
	// Date becomes the file's mtime.
	Date Date
}
