package launch

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// heldName is argv[0] of the waiting process: what ps shows, and how Main knows its task.
const heldName = "probetape: waiting to run a command"

// The waiting process's own descriptors.
const (
	orderFD  = 3 // it reads what to run here; the end of the file without an order means: do not run
	reportFD = 4 // it writes why it could not run the command here; execve closes it
)

// maxOrder bounds what the waiting process reads: Linux itself allows at most 6 MiB of arguments and environment by default.
const maxOrder = 64 << 20

// order is what the waiting process is told.
type order struct {
	Command Command
	MemLock *syscall.Rlimit // the recorder's limit before it raised its own
}

// Held is a command that waits to be released, or runs.
type Held struct {
	PID     uint32
	process *os.Process
	command *Command
	order   *os.File
	report  *os.File
	memLock syscall.Rlimit
}

// rlimitMemlock is RLIMIT_MEMLOCK, which package syscall lacks.
const rlimitMemlock = 8

// Start starts the process of a command, which waits. Standard input, output and error, the working directory and the process group
// are the recorder's. It is called before the recorder changes anything of its own that a child inherits.
func Start(c *Command) (*Held, error) {
	h := &Held{command: c}
	if err := syscall.Getrlimit(rlimitMemlock, &h.memLock); err != nil {
		return nil, fmt.Errorf("reading the limit of locked memory: %w", err)
	}
	orderRead, orderWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a pipe: %w", err), orderRead.Close(), orderWrite.Close())
	}
	h.process, err = os.StartProcess("/proc/self/exe", []string{heldName}, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, orderRead, reportWrite},
		// The runtime of the waiting process needs nothing, and a variable that steers it (GODEBUG) is meant for the command.
		Env: []string{},
	})
	closed := errors.Join(orderRead.Close(), reportWrite.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the process of command %q: %w", c.Args[0], err), closed, orderWrite.Close(), reportRead.Close())
	}
	h.PID = uint32(h.process.Pid)
	h.order, h.report = orderWrite, reportRead
	return h, closed
}

// Release makes the waiting process become the command. It returns when the command's execve is done, with a *CannotRunError if the
// kernel refused it; the process has ended then.
func (h *Held) Release() error {
	err := gob.NewEncoder(h.order).Encode(order{Command: *h.command, MemLock: &h.memLock})
	// A waiting process that was killed meanwhile says nothing: Wait tells how it ended.
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("releasing command %q: %w", h.command.Args[0], err)
	}
	if err := h.order.Close(); err != nil {
		return fmt.Errorf("releasing command %q: %w", h.command.Args[0], err)
	}
	h.order = nil
	said, err := io.ReadAll(io.LimitReader(h.report, 4096))
	if err != nil {
		return fmt.Errorf("reading how command %q started: %w", h.command.Args[0], err)
	}
	if err := h.report.Close(); err != nil {
		return fmt.Errorf("releasing command %q: %w", h.command.Args[0], err)
	}
	h.report = nil
	if len(said) == 0 {
		return nil
	}
	var r report
	if err := gob.NewDecoder(bytes.NewReader(said)).Decode(&r); err != nil {
		return fmt.Errorf("reading how command %q started: %w", h.command.Args[0], err)
	}
	cause := error(syscall.Errno(r.Errno))
	if r.Doing != "" {
		cause = fmt.Errorf("%s: %w", r.Doing, cause)
	}
	return &CannotRunError{Name: h.command.Args[0], Err: cause}
}

// Name is the command as it was typed.
func (h *Held) Name() string { return h.command.Args[0] }

// Wait waits for the command's end.
func (h *Held) Wait() (Status, error) {
	state, err := h.process.Wait()
	if err != nil {
		return Status{}, fmt.Errorf("waiting for command %q: %w", h.command.Args[0], err)
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	if !ok {
		return Status{}, fmt.Errorf("waiting for command %q: no wait status", h.command.Args[0])
	}
	if ws.Signaled() {
		return Status{Code: 128 + int(ws.Signal()), Signal: ws.Signal(), Dumped: ws.CoreDump()}, nil
	}
	return Status{Code: ws.ExitStatus()}, nil
}

// Signal sends the command a signal. One that has ended is no error.
func (h *Held) Signal(s os.Signal) error {
	if err := h.process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to command %q: %w", s, h.command.Args[0], err)
	}
	return nil
}

// Abandon ends a waiting process that was not released, and does nothing to a command that runs.
func (h *Held) Abandon() error {
	if h.order == nil {
		return nil
	}
	err := errors.Join(h.order.Close(), h.report.Close())
	h.order, h.report = nil, nil
	if _, waitErr := h.process.Wait(); waitErr != nil {
		err = errors.Join(err, fmt.Errorf("waiting for the process of command %q: %w", h.command.Args[0], waitErr))
	}
	return err
}

// report says why the waiting process could not become the command.
type report struct {
	Doing string
	Errno int
}

// Main is called first thing by main. In the waiting process it waits, becomes the command, and does not return; elsewhere it does nothing.
func Main() {
	if len(os.Args) != 1 || os.Args[0] != heldName {
		return
	}
	// execve from another thread than the first would give the command's start a thread id of its own.
	runtime.LockOSThread()
	os.Exit(becomeCommand())
}

// becomeCommand returns only when there is no command to become.
func becomeCommand() int {
	orders, reports := os.NewFile(orderFD, "order"), os.NewFile(reportFD, "report")
	if orders == nil || reports == nil {
		return 1
	}
	// It was started by a link called exe; the command's own execve is the last thing it is seen to do.
	name := append([]byte("probetape"), 0)
	if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0); e != 0 {
		return 1
	}
	syscall.CloseOnExec(orderFD)
	syscall.CloseOnExec(reportFD)
	text, err := io.ReadAll(io.LimitReader(orders, maxOrder))
	if err != nil || len(text) == 0 {
		return 1 // the recorder gave up, and has said why
	}
	var o order
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&o); err != nil {
		return 1
	}
	doing, err := o.run()
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		errno = syscall.EINVAL
	}
	if err := gob.NewEncoder(reports).Encode(report{Doing: doing, Errno: int(errno)}); err != nil {
		return 1
	}
	return 127
}

// run returns what it was doing when it failed.
func (o *order) run() (string, error) {
	if o.MemLock != nil {
		if err := syscall.Setrlimit(rlimitMemlock, o.MemLock); err != nil {
			return "setting the limit of locked memory", err
		}
	}
	if u := o.Command.User; u != nil {
		groups := make([]int, len(u.Groups))
		for i, g := range u.Groups {
			groups[i] = int(g)
		}
		if err := syscall.Setgroups(groups); err != nil {
			return "setting the groups", err
		}
		if err := syscall.Setgid(int(u.GID)); err != nil {
			return "setting the group", err
		}
		if err := syscall.Setuid(int(u.UID)); err != nil {
			return "setting the user", err
		}
	}
	return "", syscall.Exec(o.Command.Path, o.Command.Args, o.Command.Env)
}
