package host

import (
	"fmt"

	"golang.org/x/sys/unix"

	"probetape/record/host/tracefs"
	"probetape/record/resolve"
)

// Open returns the running host. It reads nothing yet.
func Open() (*Host, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, fmt.Errorf("reading the kernel's name: %w", err)
	}
	h := newHost("/", true)
	h.release = unix.ByteSliceToString(u.Release[:])
	return h, nil
}

// MountTracefs mounts tracefs at /sys/kernel/tracing where it is not mounted anywhere, and reports whether it did. It needs CAP_SYS_ADMIN,
// and has to come before the first question about tracepoints: a host keeps its answers. The mount stays.
func MountTracefs() (bool, error) {
	for _, place := range tracefs.Places {
		mounted, err := tracefs.FS{Root: place}.Mounted()
		if err != nil {
			return false, access("the kernel's tracepoints", place, err)
		}
		if mounted {
			return false, nil
		}
	}
	place := tracefs.Places[0]
	if err := unix.Mount("tracefs", place, "tracefs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RELATIME, ""); err != nil {
		need := ""
		if err == unix.EPERM {
			need = "CAP_SYS_ADMIN"
		}
		return false, &resolve.AccessError{What: "the kernel's tracepoints", Path: place, Need: need, Err: fmt.Errorf("mounting tracefs: %w", err)}
	}
	return true, nil
}
