package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These tests let a recording run in a process whose writes, syncs, and what else changes files are asked for, call by call (seccomp_unotify(2)),
// so that each can be made to fail as the kernel would: bbolt's, which no other way reaches, and all others.

// faultyCalls are the system calls that are asked for; openat only where it creates a file.
var faultyCalls = map[int32]string{
	unix.SYS_PWRITE64: "pwrite64", unix.SYS_FDATASYNC: "fdatasync", unix.SYS_FSYNC: "fsync", unix.SYS_FTRUNCATE: "ftruncate",
	unix.SYS_OPENAT: "openat", unix.SYS_MKDIRAT: "mkdirat", unix.SYS_UNLINKAT: "unlinkat",
}

// childResult is what a recording that met faults says of itself.
type childResult struct {
	Created bool
	Made    uint64
	Seen    [siteCount]uint64
	Refused [siteCount]uint64
	Errors  []string
	Kernel  bool // one of them is the kernel's
}

// childFault is the recording.
func childFault() int {
	if err := sendListener(3); err != nil {
		fmt.Fprintln(os.Stderr, "installing the filter:", err)
		return 1
	}
	load := newWorkload()
	var res childResult
	w, err := Create(os.Getenv(childPath), CreateOptions{Tables: testTables(), Sites: testSites(), SegmentBytes: 30 << 10, SealBudget: -1})
	errs := []error{err}
	if err == nil {
		res.Created = true
		if err := w.SetManifest(testManifest()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		errs, res.Refused = recordFaulty(w, load, 3)
	}
	res.Made, res.Seen = load.next, load.seen
	for _, err := range errs {
		if err != nil {
			res.Errors = append(res.Errors, err.Error())
			res.Kernel = res.Kernel || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) ||
				strings.Contains(err.Error(), syscall.ENOSPC.Error()) || strings.Contains(err.Error(), syscall.EIO.Error()) // bbolt hides some
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(res); err != nil {
		return 1
	}
	return 0
}

// sendListener installs the filter on all threads, and sends the descriptor that asks through a socket.
func sendListener(socket int) error {
	const arch, nr, args = 4, 0, 16 // offsets in struct seccomp_data
	ld := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: k}
	}
	program := []unix.SockFilter{
		ld(nr),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_OPENAT, Jt: 0, Jf: 3},
		ld(args + 2*8),
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.O_CREAT, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_USER_NOTIF},
		ld(nr),
	}
	for call := range faultyCalls {
		if call != unix.SYS_OPENAT {
			program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(call), Jt: 0, Jf: 1},
				unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_USER_NOTIF})
		}
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}

	runtime.LockOSThread()
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); errno != 0 {
		return errno
	}
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH)
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	runtime.KeepAlive(program)
	runtime.UnlockOSThread()
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(int(fd)), nil, 0); err != nil {
		return err
	}
	return unix.Close(int(fd))
}

// notification is struct seccomp_notif, answer struct seccomp_notif_resp.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type answer struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

const answerContinue = 1 // SECCOMP_USER_NOTIF_FLAG_CONTINUE

// runFaulty runs a recording. fail is asked for each call, n from 1, and says which error it is to have, 0 for none. It returns the calls.
func runFaulty(t *testing.T, path string, fail func(n int, what string) syscall.Errno) ([]string, childResult) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=fault", childPath+"="+path)
	cmd.ExtraFiles = []*os.File{theirs}
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	listener, err := receiveListener(pair[0])
	if err := errors.Join(err, unix.Close(pair[0])); err != nil {
		t.Fatalf("receiving the filter's descriptor: %v; %v; %s", err, cmd.Wait(), &stderr)
	}
	calls, err := answerAll(listener, cmd.Process.Pid, fail)
	if err := errors.Join(err, unix.Close(listener)); err != nil {
		t.Errorf("answering the recording's calls: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the recording: %v: %s", err, &stderr)
	}
	var res childResult
	if err := json.Unmarshal([]byte(out.String()), &res); err != nil {
		t.Fatalf("the recording printed %q: %v", out.String(), err)
	}
	return calls, res
}

func receiveListener(socket int) (int, error) {
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// answerAll answers the questions of a process until it ends.
func answerAll(listener, pid int, fail func(int, string) syscall.Errno) ([]string, error) {
	var calls []string
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil {
			if err == unix.EINTR {
				continue
			}
			return calls, err
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			return calls, nil // the process has ended
		}
		var n notification
		if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
			if err == unix.ENOENT || err == unix.EINTR {
				continue // a signal took the caller away; it will ask again
			}
			return calls, err
		}
		what := faultyCalls[n.nr]
		switch n.nr {
		case unix.SYS_OPENAT, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT:
		default:
			name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, n.args[0]))
			if err != nil {
				return calls, err
			}
			what += " " + filepath.Base(name)
		}
		calls = append(calls, what)
		a := answer{id: n.id, flags: answerContinue}
		if errno := fail(len(calls), what); errno != 0 {
			a.flags, a.err = 0, -int32(errno)
		}
		if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)); err != nil && err != unix.ENOENT {
			return calls, err
		}
	}
}

func ioctl(fd int, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// TestSyscallFaults makes every call fail that changes a file, one after the other: once with an I/O error, and from there on with a full disk.
func TestSyscallFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "whole.tape")
	calls, res := runFaulty(t, path, func(int, string) syscall.Errno { return 0 })
	if len(res.Errors) > 0 || !res.Created {
		t.Fatalf("without faults: %+v", res)
	}
	count := func(what string) int {
		n := 0
		for _, c := range calls {
			if strings.HasPrefix(c, what) {
				n++
			}
		}
		return n
	}
	t.Logf("%d calls: %d writes, %d of them to the catalogue; %d syncs, %d of them of it", len(calls), count("pwrite64"), count("pwrite64 "+catalogFile), count("f"), count("fdatasync "+catalogFile))
	if count("pwrite64 "+catalogFile) < 10 || count("fdatasync "+catalogFile) < 10 || count("fdatasync") < 15 {
		t.Fatalf("the calls are %q", calls)
	}
	for _, fault := range []struct {
		name   string
		errno  syscall.Errno
		always bool
	}{
		{"an I/O error", syscall.EIO, false},
		{"a full disk", syscall.ENOSPC, true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			notCreated, ended := 0, 0
			for at := 1; at <= len(calls); at++ {
				path := filepath.Join(t.TempDir(), "faulty.tape")
				failed := ""
				_, res := runFaulty(t, path, func(n int, what string) syscall.Errno {
					// A full disk can still be synced, and files removed from it.
					if n < at || !fault.always && n > at || fault.always && (strings.Contains(what, "sync") || what == "unlinkat") {
						return 0
					}
					failed = what
					return fault.errno
				})
				if failed == "" {
					continue
				}
				if !res.Kernel {
					t.Errorf("call %d (%s) failed; the errors are %q", at, failed, res.Errors)
				}
				if !res.Created {
					notCreated++
					if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) && failed != "unlinkat" {
						t.Errorf("call %d (%s) failed: the capture was not made, and %v is left", at, failed, err)
					}
				} else {
					load := &workload{next: res.Made, seen: res.Seen}
					if end, _ := checkFaulty(t, path, load, res.Refused); end {
						ended++
					} else if !fault.always && !slices.ContainsFunc(res.Errors, func(s string) bool { return strings.Contains(s, catalogFile) }) {
						t.Errorf("call %d (%s) failed: the end was not written: %q", at, failed, res.Errors)
					}
				}
				if t.Failed() {
					t.Fatalf("at call %d of %d (%s): errors %q", at, len(calls), failed, res.Errors)
				}
			}
			t.Logf("%d captures were not made, %d ended and accounted for every row", notCreated, ended)
			// Where nothing can be written any more, the end cannot be either.
			if notCreated == 0 || ended < 5 || !fault.always && ended < len(calls)/2 {
				t.Error("too few to show anything")
			}
		})
	}
}
