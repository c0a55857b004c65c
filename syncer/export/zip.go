package export

import (
	"archive/zip"
	"io"
	"path"
)

// Zip writes one zip file of .eml files.
type Zip struct {
	to    *zip.Writer
	paths *paths
}

// NewZip writes to w.
func NewZip(w io.Writer) *Zip { return &Zip{to: zip.NewWriter(w), paths: newPaths()} }

// Add writes one file into the zip.
func (z *Zip) Add(m Message) (Entry, error) {
	body, err := m.Open()
	if err != nil {
		return Entry{}, err
	}
	defer body.Close()
	name := path.Join(z.paths.of(m.Mailbox), fileName(m))
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	if m.Date.Known {
		header.Modified = m.Date.Time()
	}
	file, err := z.to.CreateHeader(header)
	if err != nil {
		return Entry{}, err
	}
	in := newCounted(body)
	if _, err := io.Copy(file, in); err != nil {
		return Entry{}, err
	}
	return in.entry(m, name), nil
}

// File writes a file of our own into the zip, the manifest for one.
func (z *Zip) File(name string) (io.Writer, error) { return z.to.Create(name) }

// Close writes the zip's directory.
func (z *Zip) Close() error { return z.to.Close() }
