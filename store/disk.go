package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"probetape/store/segment"
)

// eventsDir is the folder of the segments in a capture.
const eventsDir = "events"

// disk is what a writer does to a capture's folder, apart from the catalogue, which is bbolt's own. It is safe for concurrent use. Tests put
// one in front of the real one that fails when they want it to.
type disk interface {
	// create makes a file that must not exist.
	create(name string) (segment.File, error)
	open(name string) (readFile, error)
	// truncate cuts a file off.
	truncate(name string, size int64) error
	remove(name string) error
	// sync makes the names that were created and removed survive a power failure.
	sync() error
	// free is how many bytes the file system has left; -1: not known.
	free() (int64, error)
	close() error
}

// readFile is an open file of a capture.
type readFile interface {
	io.ReaderAt
	io.Closer
	size() (int64, error)
}

// folder is a capture's folder. It is held open, so that a recorder can go on after it has given up the privilege to find it by its path.
type folder struct {
	root  *os.Root
	owner *Owner
}

func (d *folder) create(name string) (segment.File, error) {
	f, err := segment.Create(d.root, name)
	if err != nil {
		return nil, err
	}
	if err := d.own(name); err != nil {
		return nil, errors.Join(err, f.Close(), d.root.Remove(name))
	}
	return f, nil
}

// own makes the owner the owner of a file or folder that was made just now.
func (d *folder) own(name string) error {
	if d.owner == nil {
		return nil
	}
	if err := d.root.Lchown(name, int(d.owner.UID), int(d.owner.GID)); err != nil {
		return fmt.Errorf("giving %s to user %d: %w", name, d.owner.UID, err)
	}
	return nil
}

// openCatalog opens files for bbolt.
func (d *folder) openCatalog(name string, flag int, perm os.FileMode) (*os.File, error) {
	f, err := d.root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	if err := d.own(name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d *folder) open(name string) (readFile, error) {
	f, err := segment.OpenFile(d.root, name)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

func (f osFile) size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (d *folder) truncate(name string, size int64) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func (d *folder) remove(name string) error { return d.root.Remove(name) }

func (d *folder) sync() error {
	for _, name := range []string{eventsDir, "."} {
		f, err := d.root.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(syncFolder(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (d *folder) free() (int64, error) { return freeBytes(d.root) }

func (d *folder) close() error { return d.root.Close() }

// makeFolder makes a capture's folder, and the one for events in it. It is an *ExistsError if something is at the path.
func makeFolder(path string, owner *Owner) (*folder, error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, describeExisting(path)
		}
		return nil, fmt.Errorf("creating capture: %w", err)
	}
	d, err := enterFolder(path, owner)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating capture: %w", err), removeFolder(path))
	}
	return d, nil
}

func enterFolder(path string, owner *Owner) (*folder, error) {
	made, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	d := &folder{root: root, owner: owner}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(made, opened) {
		err = fmt.Errorf("opening %s: it was exchanged meanwhile", path)
	}
	if err == nil {
		err = root.Mkdir(eventsDir, 0o700)
	}
	if err == nil {
		err = errors.Join(d.own(eventsDir), d.own("."))
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// removeFolder takes back what makeFolder made, as far as nothing else is in it.
func removeFolder(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range []string{catalogFile, eventsDir} {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, root.Close(), os.Remove(path))...)
}

// describeExisting says what is in the way of a capture.
func describeExisting(path string) error {
	exists := &ExistsError{Path: path}
	info, err := os.Lstat(path)
	if err != nil {
		return exists // it is gone again, or cannot be looked at: that something was there is enough
	}
	if exists.Linked = info.Mode()&fs.ModeSymlink != 0; exists.Linked || !info.IsDir() {
		return exists
	}
	d, err := openFolder(path)
	if err != nil {
		return exists
	}
	inUse, err := d.inUse()
	exists.InUse = err == nil && inUse
	return errors.Join(exists, d.close())
}
