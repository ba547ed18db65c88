package segment

import (
	"fmt"
	"os"
)

// Create makes the file name below root, 0600. It is an error if something of that name exists, a symbolic link too. Sync is fdatasync where
// there is such a thing.
func Create(root *os.Root, name string) (File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return dataFile{f}, nil
}

// dataFile is a file whose Sync brings the data to the disk, and of the metadata what is needed to read it.
type dataFile struct{ *os.File }

func (f dataFile) Sync() error { return syncData(f.File) }

// OpenFile opens the file name below root for reading. What is not a regular file (a symbolic link, a pipe) is refused, and not waited for.
func OpenFile(root *os.Root, name string) (*os.File, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("opening %s: not a regular file (%v)", name, before.Mode().Type())
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("opening %s: it was exchanged meanwhile", name)
	}
	if err != nil {
		return nil, closeAfter(f, err)
	}
	return f, nil
}

func closeAfter(f *os.File, err error) error {
	if e := f.Close(); e != nil {
		return fmt.Errorf("%w; closing: %w", err, e)
	}
	return err
}
