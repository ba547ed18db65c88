package errno

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestAgainstTheSystem holds the names that package syscall has for this host against the table.
func TestAgainstTheSystem(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("another architecture has other numbers")
	}
	for name, n := range map[string]syscall.Errno{
		"EPERM": syscall.EPERM, "ENOENT": syscall.ENOENT, "EAGAIN": syscall.EAGAIN, "EDEADLK": syscall.EDEADLK, "ENAMETOOLONG": syscall.ENAMETOOLONG,
		"ENOSYS": syscall.ENOSYS, "ELOOP": syscall.ELOOP, "ENOMSG": syscall.ENOMSG, "EBADE": syscall.EBADE, "EBADSLT": syscall.EBADSLT,
		"EBFONT": syscall.EBFONT, "ENODATA": syscall.ENODATA, "EOVERFLOW": syscall.EOVERFLOW, "EILSEQ": syscall.EILSEQ, "ENOTSOCK": syscall.ENOTSOCK,
		"EOPNOTSUPP": syscall.EOPNOTSUPP, "EADDRINUSE": syscall.EADDRINUSE, "ECONNRESET": syscall.ECONNRESET, "ETIMEDOUT": syscall.ETIMEDOUT,
		"EINPROGRESS": syscall.EINPROGRESS, "EDQUOT": syscall.EDQUOT, "ECANCELED": syscall.ECANCELED, "ENOTRECOVERABLE": syscall.ENOTRECOVERABLE, "ERFKILL": syscall.ERFKILL,
	} {
		if got := Name(uint16(n)); got != name {
			t.Errorf("%d is %s, want %s", uint16(n), got, name)
		}
	}
	// Every number that the system can tell about has a name here, and no other has. Package syscall ends before EHWPOISON.
	for n := uint16(1); n < 133; n++ {
		known := !strings.HasPrefix(syscall.Errno(n).Error(), "errno ")
		if known != (Text(n) != "") {
			t.Errorf("%d (%v) is %s here", n, syscall.Errno(n), Name(n))
		}
	}
}
