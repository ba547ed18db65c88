package segment

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func syncData(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		for {
			if failed = unix.Fdatasync(int(fd)); failed != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("syncing %s: %w", f.Name(), failed)
	}
	return nil
}
