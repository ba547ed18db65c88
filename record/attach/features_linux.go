package attach

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"probetape/record/compile"
)

// Features tries out what the running kernel can do.
func Features() (compile.Features, error) {
	var f compile.Features
	if err := rlimit.RemoveMemlock(); err != nil {
		return f, fmt.Errorf("lifting the memlock limit: %w", err)
	}
	types := btf.NewCache()
	for _, probe := range []struct {
		name string
		into *bool
		try  func() (bool, error)
	}{
		{"bpf_get_current_task_btf", &f.TaskBTF, helper(ebpf.RawTracepoint, asm.FnGetCurrentTaskBtf)},
		{"bpf_task_pt_regs", &f.TaskRegs, helper(ebpf.RawTracepoint, asm.FnTaskPtRegs)},
		{"bpf_get_attach_cookie", &f.Cookie, helper(ebpf.Kprobe, asm.FnGetAttachCookie)},
		{"compare-and-exchange", &f.Cmpxchg, cmpxchg},
		{"preemption", &f.Preempt, preempts},
		{"programs that are not preempted", &f.NoPreempt, with(types, noPreempt)},
		{"preemption in raw tracepoints", &f.RawPreempt, sleepableRaw},
		{"uprobe.multi", &f.UprobeMulti, uprobeMulti},
		{"kprobe events", &f.Kprobe, kprobes},
		{"kprobe.multi", &f.KprobeMulti, func() (bool, error) { return supported(features.HaveBPFLinkKprobeMulti()) }},
		{"kprobe.session", &f.KprobeSession, func() (bool, error) { return supported(features.HaveBPFLinkKprobeSession()) }},
		{"the context in sessions' kfuncs", &f.SessionCtx, with(types, sessionCtx)},
		{"fentry", &f.Fentry, with(types, fentry)},
	} {
		ok, err := probe.try()
		if err != nil {
			return f, fmt.Errorf("trying whether the kernel has %s: %w", probe.name, err)
		}
		*probe.into = ok
	}
	return f, nil
}

// supported tells "no" from "could not find out".
func supported(err error) (bool, error) {
	if errors.Is(err, ebpf.ErrNotSupported) {
		return false, nil
	}
	return err == nil, err
}

// with gives a try the kernel's types, which are read once.
func with(types *btf.Cache, try func(*btf.Cache) (bool, error)) func() (bool, error) {
	return func() (bool, error) { return try(types) }
}

func helper(t ebpf.ProgramType, fn asm.BuiltinFunc) func() (bool, error) {
	return func() (bool, error) { return supported(features.HaveProgramHelper(t, fn)) }
}

// load reports whether the kernel takes a program; a refusal by the verifier is "no".
func load(spec *ebpf.ProgramSpec) (bool, error) {
	prog, err := ebpf.NewProgram(spec)
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		return false, nil
	}
	if err != nil {
		return supported(err)
	}
	return true, prog.Close()
}

func cmpxchg() (bool, error) {
	exchange := asm.CmpXchg.Mem(asm.RFP, asm.R1, asm.DWord, -8)
	exchange.Constant = int64(asm.CmpXchg >> 8) // the library writes the operation from here, and leaves it empty
	return load(&ebpf.ProgramSpec{
		Type:    ebpf.RawTracepoint,
		License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, 0),
			asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
			asm.Mov.Imm(asm.R1, 1),
			exchange,
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	})
}

// preempts asks how the kernel preempts its own code. Where it does not say which of its ways it was told to go, the answer is the one that is
// safe to be wrong: yes.
func preempts() (bool, error) {
	modes, err := os.ReadFile("/sys/kernel/debug/sched/preempt")
	if err == nil {
		return strings.Contains(string(modes), "(full)") || strings.Contains(string(modes), "(lazy)"), nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return false, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return false, err
	}
	if !strings.Contains(unix.ByteSliceToString(name.Version[:]), "PREEMPT") {
		return false, nil
	}
	parameters, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return false, err
	}
	for word := range strings.FieldsSeq(string(parameters)) {
		if word == "preempt=none" || word == "preempt=voluntary" {
			return false, nil
		}
	}
	return true, nil
}

func noPreempt(types *btf.Cache) (bool, error) {
	spec, err := compile.TryPreempt()
	if err != nil {
		return false, err
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return false, nil // the functions are not there, or not for such programs: the library and kernels say it in many ways
	}
	coll.Close()
	return true, nil
}

// sleepableRaw tries a program of a raw tracepoint that may sleep. A kernel that takes it runs none of them with preemption off.
func sleepableRaw() (bool, error) {
	return load(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint, AttachTo: "sys_enter", Flags: unix.BPF_F_SLEEPABLE, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
}

// uprobeMulti attaches to the first instruction of this program, which ran long ago.
func uprobeMulti() (bool, error) {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceUprobeMulti, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return false, nil // the attach type itself is unknown
	}
	defer prog.Close()
	const self = "/proc/self/exe"
	entry, err := entryOffset(self)
	if err != nil {
		return false, err
	}
	ex, err := link.OpenExecutable(self)
	if err != nil {
		return false, err
	}
	l, err := ex.UprobeMulti(nil, prog, &link.UprobeMultiOptions{Addresses: []uint64{entry}})
	if errors.Is(err, unix.EINVAL) {
		return false, nil // kernels before it know neither the link nor that the program asks for it
	}
	if err != nil {
		return supported(err)
	}
	return true, l.Close()
}

// entryOffset returns where in a program's file its first instruction is.
func entryOffset(path string) (uint64, error) {
	f, err := elf.Open(path)
	if err != nil {
		return 0, fmt.Errorf("reading this program's file: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && f.Entry >= p.Vaddr && f.Entry < p.Vaddr+p.Filesz {
			return f.Entry - p.Vaddr + p.Off, nil
		}
	}
	return 0, fmt.Errorf("reading this program's file: no segment has its entry %#x", f.Entry)
}

func kprobes() (bool, error) {
	_, err := os.Stat("/sys/bus/event_source/devices/kprobe")
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// sessionCtx looks at the kfunc's declaration: a call in the other form is refused.
func sessionCtx(types *btf.Cache) (bool, error) {
	spec, err := types.Kernel()
	if err != nil {
		return false, err
	}
	var fn *btf.Func
	err = spec.TypeByName("bpf_session_is_return", &fn)
	if errors.Is(err, btf.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	return ok && len(proto.Params) > 0, nil
}

// fentry attaches to a function that the kernel has for such tests.
func fentry(types *btf.Cache) (bool, error) {
	const name = "fentry"
	coll, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{name: {
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFEntry, AttachTo: "bpf_fentry_test1", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}}}, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return false, nil // kernels without it give any error: EPERM where kprobes are left out
	}
	defer coll.Close()
	l, err := link.AttachTracing(link.TracingOptions{Program: coll.Programs[name], AttachType: ebpf.AttachTraceFEntry})
	if err != nil {
		return false, nil
	}
	return true, l.Close()
}
