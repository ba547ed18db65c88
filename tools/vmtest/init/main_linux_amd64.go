// Command init is process 1 of a test machine: it mounts the kernel's file systems, runs the jobs of the initramfs one after
// the other, sends what they print to the second serial port, and ends the machine through QEMU's isa-debug-exit device.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"probetape/tools/vmtest/guest"
)

const (
	resultPort = "/dev/ttyS1"
	exitPort   = 0xf4 // isa-debug-exit's, as the runner sets it up
)

// mounts are made in this order. Those of which a kernel has nothing fail, which is for the tests to notice.
var mounts = [...]struct {
	fs, dir, options string
	required         bool
}{
	{"devtmpfs", "/dev", "", true},
	{"proc", "/proc", "", true},
	{"sysfs", "/sys", "", true},
	{"tmpfs", "/tmp", "size=75%", true},
	{"tmpfs", "/run", "", true},
	{"tmpfs", "/dev/shm", "", true},
	{"devpts", "/dev/pts", "", false},
	{"tracefs", "/sys/kernel/tracing", "", true},
	{"debugfs", "/sys/kernel/debug", "", false},
	{"bpf", "/sys/fs/bpf", "", true},
	{"cgroup2", "/sys/fs/cgroup", "", true},
	{"securityfs", "/sys/kernel/security", "", false},
}

func main() {
	runtime.LockOSThread() // the permission for the exit port is the thread's
	if err := run(); err != nil {
		fmt.Printf("%s%v\n", guest.Error, err)
	}
	syscall.Sync()
	if err := powerOff(); err != nil {
		fmt.Printf("%s%v\n", guest.Error, err)
	}
	select {} // process 1 must not return: the kernel would panic before the port's write takes effect
}

func run() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.dir, 0o755); err != nil && m.required {
			return fmt.Errorf("making the mount point %s: %w", m.dir, err)
		}
		if err := syscall.Mount(m.fs, m.dir, m.fs, 0, m.options); err != nil && m.required {
			return fmt.Errorf("mounting %s: %w", m.dir, err)
		}
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("setting up the loopback interface: %w", err)
	}
	out, err := openRaw(resultPort)
	if err != nil {
		return err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return fmt.Errorf("reading the kernel's release: %w", err)
	}
	fmt.Fprintf(out, "%s%s\n", guest.Ready, strings.TrimSpace(string(release)))
	if err := runJobs(out); err != nil {
		fmt.Fprintf(out, "\n%s%v\n", guest.Error, err)
		return err
	}
	fmt.Fprintf(out, "%s\n", guest.Done)
	return drain(out)
}

func runJobs(out io.Writer) error {
	text, err := os.ReadFile(guest.JobsFile)
	if err != nil {
		return fmt.Errorf("reading the jobs: %w", err)
	}
	var jobs []guest.Job
	if err := json.Unmarshal(text, &jobs); err != nil {
		return fmt.Errorf("reading the jobs: %w", err)
	}
	for _, j := range jobs {
		fmt.Fprintf(out, "%s%s\n", guest.Begin, j.Package)
		begin := time.Now()
		status := runJob(j, out)
		fmt.Fprintf(out, "\n%s\n", guest.EndLine(j.Package, status, time.Since(begin)))
	}
	return nil
}

// runJob returns the exit status, or -1 for a job that could not be started.
func runJob(j guest.Job, out io.Writer) int {
	cmd := exec.Command(j.Path, j.Args...)
	cmd.Dir = j.Dir
	cmd.Env = append(os.Environ(), j.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // process 1 is in process group 0, which nobody else ever sees
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintf(out, "starting %s: %v\n", j.Path, err)
		return -1
	}
	return cmd.ProcessState.ExitCode()
}

// openRaw opens a serial port and turns off what it would do to the text: newlines are not preceded by carriage returns.
func openRaw(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the result port: %w", err)
	}
	var t syscall.Termios
	if err := ioctl(f, syscall.TCGETS, unsafe.Pointer(&t)); err != nil {
		return nil, fmt.Errorf("reading the settings of %s: %w", path, err)
	}
	t.Oflag &^= syscall.OPOST
	t.Lflag &^= syscall.ECHO | syscall.ICANON | syscall.ISIG
	if err := ioctl(f, syscall.TCSETS, unsafe.Pointer(&t)); err != nil {
		return nil, fmt.Errorf("setting %s: %w", path, err)
	}
	return f, nil
}

// drain waits until everything written has left the port: QEMU ends at once.
func drain(f *os.File) error {
	const tcsbrk = 0x5409 // with a non-zero argument it is tcdrain
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), tcsbrk, 1); errno != 0 {
		return fmt.Errorf("waiting for %s: %w", f.Name(), errno)
	}
	return nil
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	request := struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// powerOff ends the machine with the status that says "init came to its end".
func powerOff() error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_IOPERM, exitPort, 4, 1); errno != 0 {
		return fmt.Errorf("asking for the exit port: %w", errno)
	}
	outb(exitPort, guest.ExitDone)
	return nil
}
