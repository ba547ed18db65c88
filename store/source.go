package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"probetape/store/catalog"
	"probetape/store/segment"
)

// source is where a capture's files are read from: its folder, or whatever else holds them. It is safe for concurrent use.
type source interface {
	// open opens a file, which may be written meanwhile. A file that is not there is fs.ErrNotExist.
	open(name string) (readFile, error)
	// size is a file's size in bytes.
	size(name string) (int64, error)
	// segments lists the names of the files that may hold events.
	segments() ([]string, error)
	// inUse reports whether the capture is being written.
	inUse() (bool, error)
	close() error
}

// folderSource is a capture's folder, held open.
type folderSource struct{ root *os.Root }

func openFolder(path string) (*folderSource, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &folderSource{root: root}, nil
}

func (s *folderSource) open(name string) (readFile, error) {
	f, err := segment.OpenFile(s.root, name)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (s *folderSource) size(name string) (int64, error) {
	info, err := s.root.Lstat(name)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("looking at %s: not a regular file (%v)", name, info.Mode().Type())
	}
	return info.Size(), nil
}

// maxListed bounds the names that are read of a folder.
const maxListed = 1 << 21

func (s *folderSource) segments() ([]string, error) {
	entries, err := s.list(eventsDir, maxListed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, eventsDir+"/"+e.Name())
		}
	}
	return names, err
}

// list returns what is in a folder, so many entries at most.
func (s *folderSource) list(name string, most int) ([]fs.DirEntry, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(most)
	if err == io.EOF {
		err = nil // the folder is empty
	}
	return entries, errors.Join(err, f.Close())
}

func (s *folderSource) inUse() (bool, error) {
	f, err := segment.OpenFile(s.root, catalogFile)
	if err != nil {
		return false, err
	}
	inUse, err := catalog.InUse(f)
	return inUse, errors.Join(err, f.Close())
}

func (s *folderSource) close() error { return s.root.Close() }

// openSource opens what is at a path as a capture's folder. What is none is a *NotCaptureError.
func openSource(path string) (source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	if !info.IsDir() {
		return nil, notFolder(path, info)
	}
	s, err := openFolder(path)
	if err != nil {
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	if err := s.recognize(path); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// recognize refuses folders that hold no capture.
func (s *folderSource) recognize(path string) error {
	catalogue, err := s.root.Lstat(catalogFile)
	if err == nil {
		switch {
		case !catalogue.Mode().IsRegular():
			return &NotCaptureError{Path: path, Cause: "its " + catalogFile + " is not a regular file"}
		case catalogue.Size() == 0:
			return &NotCaptureError{Path: path, Cause: "its " + catalogFile + " is empty", Hint: "the recording ended before it had begun"}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening capture %q: %w", path, err)
	}
	if _, err := s.root.Lstat(eventsDir); err == nil {
		return &NotCaptureError{
			Path: path, Cause: "its catalogue, " + catalogFile + ", is missing",
			Hint: "copy the whole folder: events mean nothing without the catalogue",
		}
	}
	entries, err := s.list(".", 1000)
	if err != nil {
		return fmt.Errorf("opening capture %q: %w", path, err)
	}
	if len(entries) == 0 {
		return &NotCaptureError{Path: path, Cause: "the folder is empty"}
	}
	notOne := &NotCaptureError{Path: path, Cause: "there is no " + catalogFile + " in it"}
	for _, e := range entries {
		if _, err := s.root.Lstat(e.Name() + "/" + catalogFile); err == nil {
			notOne.Hint = fmt.Sprintf("did you mean %q?", filepath.Join(path, e.Name()))
			break
		}
	}
	return notOne
}

// notFolder says what a file is that was taken for a capture.
func notFolder(path string, info fs.FileInfo) error {
	notOne := &NotCaptureError{Path: path, Cause: "it is a file, and a capture is a folder", Hint: "give the folder that record named"}
	switch {
	case !info.Mode().IsRegular():
		notOne.Cause, notOne.Hint = "it is neither a folder nor a file", ""
	case info.Name() == catalogFile:
		notOne.Hint = "give the folder that it is in"
	}
	return notOne
}
