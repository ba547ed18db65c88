package attach

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// symbols answers questions about the kernel's functions, reading each list when it is first needed.
type symbols struct {
	addresses map[string]uint64 // of functions; nil: not read yet
}

// ErrNoFunction is wrapped where the kernel has no function of a name: it is not built in, is in a module that is not loaded, or has been
// inlined everywhere.
var ErrNoFunction = errors.New("the running kernel has no such function: it is not built in, in a module that is not loaded, or inlined everywhere")

// ErrBlacklisted is wrapped where the kernel forbids probes of a function.
var ErrBlacklisted = errors.New("the kernel forbids probes of this function (its kprobe blacklist): it is part of the probes' own machinery")

// ErrNotTraceable is wrapped where a function lacks the place that the compiler leaves for tracing.
var ErrNotTraceable = errors.New("the kernel cannot trace this function: it is built without the place for it (notrace, or code that runs at boot only)")

// The kernel's lists.
const (
	kallsymsPath  = "/proc/kallsyms"
	blacklistPath = "/sys/kernel/debug/kprobes/blacklist"
	traceablePath = "/sys/kernel/tracing/available_filter_functions"
)

// why returns the reason for which the kernel refused a probe, joined with its own error; that one alone where no reason is found.
func (s *symbols) why(name string, offset uint64, refused error) error {
	if _, err := s.address(name); err != nil {
		return errors.Join(err, refused)
	}
	for _, check := range []struct {
		path   string
		listed bool // being in the list is the reason
		reason error
	}{{blacklistPath, true, ErrBlacklisted}, {traceablePath, false, ErrNotTraceable}} {
		if offset > 0 && !check.listed {
			continue // a breakpoint needs no place
		}
		listed, err := inList(check.path, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return errors.Join(refused, err)
		}
		if listed == check.listed {
			return fmt.Errorf("%w: %w", check.reason, refused)
		}
	}
	return refused
}

// inList looks for a function in a list of the kernel's that has names among other words.
func inList(path, name string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("looking for the reason: %w", err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		for word := range strings.FieldsSeq(in.Text()) {
			if word == name {
				return true, nil
			}
		}
	}
	if err := in.Err(); err != nil {
		return false, fmt.Errorf("looking for the reason: %w", err)
	}
	return false, nil
}

// address returns where a function is. Of several with one name it is the first, which the kernel takes too.
func (s *symbols) address(name string) (uint64, error) {
	if s.addresses == nil {
		if err := s.read(); err != nil {
			return 0, err
		}
	}
	address, ok := s.addresses[name]
	if !ok {
		return 0, fmt.Errorf("%s: %w", name, ErrNoFunction)
	}
	return address, nil
}

func (s *symbols) read() error {
	f, err := os.Open(kallsymsPath)
	if err != nil {
		return fmt.Errorf("reading the kernel's symbols: %w", err)
	}
	defer f.Close()
	s.addresses = map[string]uint64{}
	in := bufio.NewScanner(f)
	for in.Scan() {
		fields := strings.Fields(in.Text())
		if len(fields) < 3 || !strings.ContainsAny(fields[1], "tTwW") {
			continue
		}
		if _, seen := s.addresses[fields[2]]; seen {
			continue
		}
		address, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil {
			return fmt.Errorf("reading the kernel's symbols: %w", err)
		}
		s.addresses[fields[2]] = address
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("reading the kernel's symbols: %w", err)
	}
	return nil
}
