package restore

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"mailferry/syncer/mailbox"
)

// Disk is the store's Maildir tree, as far as a run needs it that pushes.
type Disk interface {
	Folders(ctx context.Context) ([]mailbox.Name, error)
	Stamp(ctx context.Context, name mailbox.Name) (mailbox.Stamp, error)
	List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error)
	Inspect(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error)
	Open(ctx context.Context, name mailbox.Name, key mailbox.Key) (io.ReadCloser, error)
	Persist(ctx context.Context, name mailbox.Name, keys []mailbox.Key) error
}

// Memory is the store's own state.
type Memory interface {
	Mailboxes(ctx context.Context) ([]mailbox.Known, error)
	Links(ctx context.Context, id mailbox.ID) ([]mailbox.Link, error)
}

// Source is a store under the names of another server. It implements the
// local ports of package syncer and changes nothing.
type Source struct {
	disk Disk
	// Altered, if not nil, is told of files whose octets are not those that
	// were downloaded.
	Altered func(name mailbox.Name, key mailbox.Key)

	from map[mailbox.Name]mailbox.Name // the store's name of each
	// isOpen says that all other names are the same on both sides.
	isOpen bool
	memory Memory
	ids    map[mailbox.Name]mailbox.ID

	mu      sync.Mutex
	recalls map[mailbox.Name]map[mailbox.Key]recall
}

// recall is what the state knows of a file better than the file itself.
type recall struct {
	hash mailbox.Hash
	date mailbox.Date
	// held are flags that the folder has no room for.
	held mailbox.Flags
}

// NewSource gives the store's folders the names of choices; those that cannot
// be on the other server are left out. memory may be nil.
func NewSource(ctx context.Context, disk Disk, memory Memory, choices []Choice) (*Source, error) {
	s := &Source{
		disk: disk, memory: memory, from: map[mailbox.Name]mailbox.Name{}, ids: map[mailbox.Name]mailbox.ID{},
		recalls: map[mailbox.Name]map[mailbox.Key]recall{},
	}
	for _, c := range choices {
		if c.Err == nil {
			s.from[c.To] = c.From
		}
	}
	if memory == nil {
		return s, nil
	}
	known, err := memory.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range known {
		s.ids[k.Name] = k.ID
	}
	return s, nil
}

// Folder returns what the store calls a mailbox of the other server.
func (s *Source) Folder(name mailbox.Name) (folder mailbox.Name, ok bool) {
	folder, ok = s.from[name]
	return folder, ok
}

// folder returns the store's name.
func (s *Source) folder(name mailbox.Name) (mailbox.Name, error) {
	from, ok := s.from[name]
	if !ok && s.isOpen {
		return name, nil
	}
	if !ok {
		return "", fmt.Errorf("%s: %w", name, mailbox.ErrNotFound)
	}
	return from, nil
}

// Folders implements syncer.Local.
func (s *Source) Folders(ctx context.Context) ([]mailbox.Name, error) {
	folders, err := s.disk.Folders(ctx)
	if err != nil {
		return nil, err
	}
	var names []mailbox.Name
	for to, from := range s.from {
		if slices.Contains(folders, from) {
			names = append(names, to)
		}
	}
	if s.isOpen {
		names = append(names, s.unnamed(folders)...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// unnamed are the folders that no choice is about.
func (s *Source) unnamed(folders []mailbox.Name) []mailbox.Name {
	named := map[mailbox.Name]bool{}
	for _, from := range s.from {
		named[from] = true
	}
	return slices.DeleteFunc(slices.Clone(folders), func(name mailbox.Name) bool { return named[name] })
}

// Stamp implements syncer.Local.
func (s *Source) Stamp(ctx context.Context, name mailbox.Name) (mailbox.Stamp, error) {
	folder, err := s.folder(name)
	if err != nil {
		return mailbox.Stamp{}, err
	}
	return s.disk.Stamp(ctx, folder)
}

// List implements syncer.Local. Flags that the folder has no room for are
// among the messages' flags.
func (s *Source) List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error) {
	folder, err := s.folder(name)
	if err != nil {
		return nil, mailbox.Stamp{}, err
	}
	recalls, err := s.remember(ctx, folder)
	if err != nil {
		return nil, mailbox.Stamp{}, err
	}
	messages, stamp, err := s.disk.List(ctx, folder)
	for i := range messages {
		if held := recalls[messages[i].Key].held; !held.IsEmpty() {
			messages[i].Flags = messages[i].Flags.Union(held)
		}
	}
	return messages, stamp, err
}

// Tally implements syncer.Local. Flags that the folder has no room for count.
func (s *Source) Tally(ctx context.Context, name mailbox.Name) (mailbox.Tally, mailbox.Stamp, error) {
	files, stamp, err := s.List(ctx, name)
	var tally mailbox.Tally
	for _, file := range files {
		tally.Add(file.Key, file.Flags)
	}
	return tally, stamp, err
}

// remember reads what the state knows of a folder's files.
func (s *Source) remember(ctx context.Context, folder mailbox.Name) (map[mailbox.Key]recall, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, known := s.ids[folder]
	if recalls, read := s.recalls[folder]; read || !known {
		return recalls, nil
	}
	links, err := s.memory.Links(ctx, id)
	if err != nil {
		return nil, err
	}
	recalls := make(map[mailbox.Key]recall, len(links))
	for _, link := range links {
		if link.Key != "" {
			recalls[link.Key] = recall{link.Content.Hash, link.Date, link.Agreed.Minus(link.Local)}
		}
	}
	s.recalls[folder] = recalls
	return recalls, nil
}

// Inspect implements syncer.Local. The date is the one that the store's server
// gave the message, with its zone; of a file that the state does not know it
// is the file's.
func (s *Source) Inspect(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error) {
	folder, err := s.folder(name)
	if err != nil {
		return mailbox.Content{}, mailbox.Date{}, err
	}
	recalls, err := s.remember(ctx, folder)
	if err != nil {
		return mailbox.Content{}, mailbox.Date{}, err
	}
	content, date, err := s.disk.Inspect(ctx, folder, key)
	known, ok := recalls[key]
	if err != nil || !ok {
		return content, date, err
	}
	if known.date.Known {
		date = known.date
	}
	if !known.hash.IsZero() && known.hash != content.Hash && s.Altered != nil {
		s.Altered(name, key)
	}
	return content, date, nil
}

// Open implements syncer.Local.
func (s *Source) Open(ctx context.Context, name mailbox.Name, key mailbox.Key) (io.ReadCloser, error) {
	folder, err := s.folder(name)
	if err != nil {
		return nil, err
	}
	return s.disk.Open(ctx, folder, key)
}

// Persist implements syncer.LocalMessages.
func (s *Source) Persist(ctx context.Context, name mailbox.Name, keys []mailbox.Key) error {
	folder, err := s.folder(name)
	if err != nil {
		return err
	}
	return s.disk.Persist(ctx, folder, keys)
}
