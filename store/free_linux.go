package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// freeBytes is how much of a folder's file system is left for users without privileges.
func freeBytes(root *os.Root) (int64, error) {
	f, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	var s unix.Statfs_t
	err = unix.Fstatfs(int(f.Fd()), &s)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the free space: %w", err)
	}
	return int64(s.Bavail) * int64(s.Frsize), nil
}
