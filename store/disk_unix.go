//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"
)

// syncFolder brings a folder's names to the disk. File systems that cannot sync a folder say EINVAL.
func syncFolder(f *os.File) error {
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
