package host

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/cilium/ebpf/btf"

	"probetape/record/host/tracefs"
	"probetape/record/resolve"
)

// Host is a Linux host as its files show it. It implements resolve.Host; what it has read it keeps. It is safe for concurrent use.
type Host struct {
	root    string // "/", or the folder of a recorded host
	running bool   // root is the running system
	release string // of the kernel: uname -r

	tracefs        func() (tracefs.FS, error)
	tracepoints    func() ([]resolve.Tracepoint, error)
	formats        memo[resolve.Tracepoint, *resolve.Format]
	rawTracepoints func() ([]resolve.RawTracepoint, error)
	syscalls       func() ([]resolve.Syscall, error)

	kernelTypes func() (*btf.Spec, error)
	moduleTypes memo[string, *btf.Spec]
	modules     func() ([]resolve.Module, error)
	kernelFuncs func() ([]resolve.KernelFunc, error)

	libraries   func() ([]library, error)
	executables memo[string, *executable]
}

var _ resolve.Host = (*Host)(nil)

// OpenTree returns the host whose files lie below a folder, at the paths they have on a Linux system: proc/kallsyms,
// sys/kernel/tracing/events, sys/kernel/btf/vmlinux, usr/bin and so on. What is not there the host does not have.
func OpenTree(root string) (*Host, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	h := newHost(root, false)
	release, err := h.readText("/proc/sys/kernel/osrelease")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	h.release = release
	return h, nil
}

func newHost(root string, running bool) *Host {
	h := &Host{root: root, running: running}
	h.tracefs = sync.OnceValues(h.findTracefs)
	h.tracepoints = sync.OnceValues(h.listTracepoints)
	h.rawTracepoints = sync.OnceValues(h.listRawTracepoints)
	h.syscalls = sync.OnceValues(h.listSyscalls)
	h.kernelTypes = sync.OnceValues(h.loadKernelTypes)
	h.modules = sync.OnceValues(h.listModules)
	h.kernelFuncs = sync.OnceValues(h.listKernelFuncs)
	h.libraries = sync.OnceValues(h.listLibraries)
	return h
}

// Tracepoints implements resolve.Host.
func (h *Host) Tracepoints() ([]resolve.Tracepoint, error) { return h.tracepoints() }

// RawTracepoints implements resolve.Host.
func (h *Host) RawTracepoints() ([]resolve.RawTracepoint, error) { return h.rawTracepoints() }

// Syscalls implements resolve.Host.
func (h *Host) Syscalls() ([]resolve.Syscall, error) { return h.syscalls() }

// Modules implements resolve.Host.
func (h *Host) Modules() ([]resolve.Module, error) { return h.modules() }

// KernelFuncs implements resolve.Host.
func (h *Host) KernelFuncs() ([]resolve.KernelFunc, error) { return h.kernelFuncs() }
