//go:build !linux

package host

import (
	"errors"
	"fmt"
)

// Open is for Linux only.
func Open() (*Host, error) {
	return nil, fmt.Errorf("opening the host: probes are recorded on Linux: %w", errors.ErrUnsupported)
}

// MountTracefs is for Linux only.
func MountTracefs() (bool, error) {
	return false, fmt.Errorf("mounting tracefs: probes are recorded on Linux: %w", errors.ErrUnsupported)
}
