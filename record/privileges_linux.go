package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// capability is one of Linux's, by its number; see capabilities(7).
type capability uint

// The capabilities that recording is about.
const (
	capDACReadSearch capability = unix.CAP_DAC_READ_SEARCH
	capKill          capability = unix.CAP_KILL
	capSysPtrace     capability = unix.CAP_SYS_PTRACE
	capSysAdmin      capability = unix.CAP_SYS_ADMIN
	capSysResource   capability = unix.CAP_SYS_RESOURCE
	capPerfmon       capability = unix.CAP_PERFMON
	capBPF           capability = unix.CAP_BPF
)

var capabilityNames = map[capability]string{
	capDACReadSearch: "CAP_DAC_READ_SEARCH", capKill: "CAP_KILL", capSysPtrace: "CAP_SYS_PTRACE", capSysAdmin: "CAP_SYS_ADMIN",
	capSysResource: "CAP_SYS_RESOURCE", capPerfmon: "CAP_PERFMON", capBPF: "CAP_BPF",
}

func (c capability) String() string { return capabilityNames[c] }

// capSet is a set of capabilities, a bit each.
type capSet uint64

func (s capSet) has(c capability) bool { return s>>c&1 != 0 }

func capsOf(all ...capability) capSet {
	var s capSet
	for _, c := range all {
		s |= 1 << c
	}
	return s
}

// String lists the names of those that recording is about.
func (s capSet) String() string {
	var names []string
	for c, name := range capabilityNames {
		if s.has(c) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// ownCaps returns the capabilities that this thread can use, and those that it may take up.
func ownCaps() (effective, permitted capSet, err error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, 0, fmt.Errorf("reading the recorder's capabilities: %w", err)
	}
	return capSet(data[0].Effective) | capSet(data[1].Effective)<<32, capSet(data[0].Permitted) | capSet(data[1].Permitted)<<32, nil
}

// PrivilegeError is returned where the recorder may not do what was asked.
type PrivilegeError struct{ Missing []string }

func (e *PrivilegeError) Error() string {
	return "recording needs " + strings.Join(e.Missing, " and ") + ", which this process does not have"
}

// Hints says how to get them.
func (e *PrivilegeError) Hints() []string {
	return []string{"run it with sudo", "see what would be recorded without: add --dry-run"}
}

// CheckPrivileges returns a *PrivilegeError where this process lacks a capability without which nothing can be recorded. CAP_SYS_ADMIN
// stands for CAP_BPF and CAP_PERFMON, which were split from it in Linux 5.8.
func CheckPrivileges() error {
	have, _, err := ownCaps()
	if err != nil {
		return err
	}
	return missingPrivileges(have, memoryIsCharged())
}

// missingPrivileges is CheckPrivileges for a set. charged: the kernel charges BPF maps to a cgroup and not to RLIMIT_MEMLOCK.
func missingPrivileges(have capSet, charged bool) error {
	var missing []string
	for _, c := range []capability{capBPF, capPerfmon} {
		if !have.has(c) && !have.has(capSysAdmin) {
			missing = append(missing, c.String())
		}
	}
	// The folders of tracefs and of other users' processes are closed to others.
	if !have.has(capDACReadSearch) && !have.has(unix.CAP_DAC_OVERRIDE) {
		missing = append(missing, capDACReadSearch.String())
	}
	if !have.has(capSysPtrace) {
		missing = append(missing, capSysPtrace.String())
	}
	if !charged && !have.has(capSysResource) {
		missing = append(missing, capSysResource.String()+" (kernels before 5.11 count BPF maps as locked memory)")
	}
	if len(missing) > 0 {
		return &PrivilegeError{Missing: missing}
	}
	return nil
}

// memoryIsCharged reports whether the kernel charges BPF maps to the memory cgroup: Linux 5.11 (commits around 5.11-rc1's
// "bpf: Eliminate rlimit-based memory accounting").
func memoryIsCharged() bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 11
}

// privileges is what the recorder keeps while it records, and what it takes up again for a moment.
type privileges struct {
	kept   capSet // usable
	spare  capSet // permitted, not usable until raised
	active bool
}

// dropPrivileges gives up, on every thread and for good, the capabilities that reading buffers and /proc does not need. owner is who the
// capture's files belong to: they are created under that identity from here on, so that no capability to change owners is kept.
//
// What is kept, and for what: CAP_BPF (or CAP_SYS_ADMIN where the kernel knows only that) to run the flush program and read the
// counters; CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH to read /proc of other users' tasks; CAP_KILL with a command, to pass signals on to it.
// CAP_SYS_ADMIN is kept aside: the kernel shows a task's kernel stack only to it, and the recording ends with those of hung tasks.
func dropPrivileges(owner *Owner, command bool) (*privileges, error) {
	effective, permitted, err := ownCaps()
	if err != nil {
		return nil, err
	}
	want := capsOf(capBPF, capSysPtrace, capDACReadSearch)
	if command {
		want |= capsOf(capKill)
	}
	if !effective.has(capBPF) {
		want |= capsOf(capSysAdmin)
	}
	p := &privileges{kept: want & permitted}
	p.spare = capsOf(capSysAdmin) & permitted &^ p.kept
	if _, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
		if errors.Is(e, syscall.ENOTSUP) {
			return p, fmt.Errorf("dropping capabilities: this build uses cgo, whose threads it cannot reach: %w", e)
		}
		return p, fmt.Errorf("giving up new privileges: %w", e)
	}
	if owner != nil {
		// These calls return the previous id, never an error. Leaving user id 0 this way also takes the file system capabilities
		// (CAP_CHOWN, CAP_DAC_OVERRIDE, ...) out of use; capset below decides which stay.
		syscall.AllThreadsSyscall(unix.SYS_SETFSGID, uintptr(owner.GID), 0, 0)
		syscall.AllThreadsSyscall(unix.SYS_SETFSUID, uintptr(owner.UID), 0, 0)
	}
	p.active = true
	return p, p.set(p.kept)
}

// set makes exactly these capabilities usable on all threads.
func (p *privileges) set(effective capSet) error {
	permitted := p.kept | p.spare
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(effective), Permitted: uint32(permitted)},
		{Effective: uint32(effective >> 32), Permitted: uint32(permitted >> 32)},
	}
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0); e != 0 {
		return fmt.Errorf("dropping capabilities: %w", e)
	}
	return nil
}

// withSpare does something with the capabilities that were kept aside.
func (p *privileges) withSpare(do func() error) error {
	if p == nil || !p.active || p.spare == 0 {
		return do()
	}
	if err := p.set(p.kept | p.spare); err != nil {
		return err
	}
	return errors.Join(do(), p.set(p.kept))
}

// String says what is kept.
func (p *privileges) String() string {
	if p.spare != 0 {
		return fmt.Sprintf("%v; kept aside for kernel stacks at the end: %v", p.kept, p.spare)
	}
	return p.kept.String()
}
