//go:build unix

package catalog

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// InUse reports whether a writer has the catalogue open: whether bbolt's lock is taken. It takes a shared lock for a moment to find out,
// and waits for nothing.
func InUse(f *os.File) (bool, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, fmt.Errorf("asking for the lock of %s: %w", FileName, err)
	}
	inUse := false
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		lockErr = syscall.Flock(int(fd), syscall.LOCK_SH|syscall.LOCK_NB)
		if errors.Is(lockErr, syscall.EWOULDBLOCK) {
			inUse, lockErr = true, nil
			return
		}
		if lockErr == nil {
			lockErr = syscall.Flock(int(fd), syscall.LOCK_UN)
		}
		if errors.Is(lockErr, syscall.ENOTSUP) || errors.Is(lockErr, syscall.ENOSYS) || errors.Is(lockErr, syscall.ENOLCK) {
			lockErr = nil // a file system without locks: nobody writes there, since bbolt could not have opened it
		}
	})
	if err := errors.Join(err, lockErr); err != nil {
		return false, fmt.Errorf("asking for the lock of %s: %w", FileName, err)
	}
	return inUse, nil
}
