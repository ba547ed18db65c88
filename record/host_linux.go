package record

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"probetape/record/attach"
	"probetape/schemas"
)

// describeHost says where a capture is recorded.
func describeHost() (schemas.Host, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return schemas.Host{}, fmt.Errorf("reading the kernel's name: %w", err)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return schemas.Host{}, fmt.Errorf("counting CPUs: %w", err)
	}
	h := schemas.Host{
		Name:      unix.ByteSliceToString(u.Nodename[:]),
		Kernel:    unix.ByteSliceToString(u.Release[:]),
		KernelVer: unix.ByteSliceToString(u.Version[:]),
		Machine:   unix.ByteSliceToString(u.Machine[:]),
		CPUs:      cpus,
		PageSize:  os.Getpagesize(),
		ByteOrder: "little",
	}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		h.BootID = string(bytes.TrimSpace(id))
	}
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return h, fmt.Errorf("reading the name of the system: %w", err)
		}
		h.OS = prettyName(string(text))
		break
	}
	return h, nil
}

// prettyName finds PRETTY_NAME in an os-release file; see os-release(5).
func prettyName(text string) string {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME=")
		if !ok {
			continue
		}
		if plain, err := strconv.Unquote(value); err == nil {
			return plain
		}
		return strings.Trim(value, `"'`)
	}
	return ""
}

// costOf measures what this process and the session's programs have cost so far.
func costOf(stats func() (attach.Stats, error)) (schemas.Cost, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return schemas.Cost{}, fmt.Errorf("reading the recorder's own cost: %w", err)
	}
	s, err := stats()
	if err != nil {
		return schemas.Cost{}, err
	}
	c := schemas.Cost{
		UserNS:      u.Utime.Nano(),
		SystemNS:    u.Stime.Nano(),
		MaxRSS:      int64(u.Maxrss) << 10, // getrusage(2): KiB
		ProgramNS:   int64(s.RunTime),
		ProgramRuns: s.Runs,
	}
	if s.Runs < 0 {
		c.ProgramNS, c.Note = -1, "the run time of the BPF programs was not counted: it is part of the recorded calls"
	}
	return c, nil
}

// spaceOf returns the bytes that are free for this user on the file system of a file, and its size.
func spaceOf(path string) (free, size int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}
