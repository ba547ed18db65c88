package host

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"probetape/record/resolve"
)

// at returns where a path of the host lies for this process.
func (h *Host) at(path string) string {
	if h.running {
		return path
	}
	return filepath.Join(h.root, filepath.FromSlash(path))
}

// readText returns a small file without white space around it.
func (h *Host) readText(path string) (string, error) {
	text, err := os.ReadFile(h.at(path))
	return strings.TrimSpace(string(text)), err
}

// readLarge returns a file of /proc or tracefs of some megabytes, whose size the kernel does not tell beforehand.
func (h *Host) readLarge(path string) (string, error) {
	f, err := os.Open(h.at(path))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	text.Grow(8 << 20)
	_, err = io.Copy(&text, f)
	return text.String(), errors.Join(err, f.Close())
}

// access says of an error of reading a host's file what it was about and what would help. Errors of other kinds are left as they are.
func access(what, path string, err error, absent ...string) error {
	var known *resolve.AccessError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, fs.ErrPermission):
		return &resolve.AccessError{What: what, Path: path, Need: "root (or CAP_DAC_READ_SEARCH)", Err: bare(err)}
	case errors.Is(err, fs.ErrNotExist):
		return &resolve.AccessError{What: what, Path: path, Tips: absent, Err: bare(err)}
	}
	return &resolve.AccessError{What: what, Path: path, Err: bare(err)}
}

// bare takes the path out of an error that a path is said with anyway.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
