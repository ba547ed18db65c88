package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"

	"probetape/record/attach"
	"probetape/record/compile"
	"probetape/record/host"
	"probetape/record/resolve"
	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

// Prepare checks a recording against this host and compiles it. Nothing is attached; of the host nothing is changed but that tracefs is
// mounted where it is not.
//
//  1. Parse the probe text.
//  2. Check it against the host: names, types, sites.
//  3. Find the cgroup.
//  4. Try out what the kernel can do.
//  5. Compile.
//
// Probe text that is not right gives expr.Diagnostics. Without the privileges to try the kernel out, a new one is assumed, and
// Prepared.Assumed says so.
func Prepare(opts *Options) (*Prepared, error) {
	program, found := spec.Parse(exprSources(opts.Sources)...)
	if err := found.Err(); err != nil && len(program.Statements) == 0 {
		return nil, err
	}
	if err := mountTracefs(opts); err != nil {
		return nil, err
	}
	h, err := host.Open()
	if err != nil {
		return nil, err
	}
	plan, checked := resolve.Check(program, h, resolve.Options{})
	found = append(found, checked...).Sorted()
	if err := found.Err(); err != nil {
		return nil, err
	}
	p := &Prepared{Plan: plan, Notes: found, parsed: program}
	if opts.Targets.Cgroup != "" {
		if p.CgroupDir, p.CgroupPath, err = findCgroup(opts.Targets.Cgroup); err != nil {
			return nil, err
		}
	}
	features, err := p.features()
	if err != nil {
		return nil, err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("counting CPUs: %w", err)
	}
	p.Program, err = compile.Compile(plan, compile.Config{
		Mode: opts.Targets.mode(), Children: opts.Targets.Children, SelfPID: uint32(os.Getpid()), CPUs: cpus, Features: features,
	})
	if err != nil {
		return nil, err
	}
	p.syscallName, err = syscallNamesOf(h)
	return p, err
}

// mountTracefs makes the kernel's tracepoints visible. Who may not mount is told by the check, where a probe needs them.
func mountTracefs(opts *Options) error {
	if opts.DryRun {
		return nil
	}
	mounted, err := host.MountTracefs()
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if mounted && opts.Notify != nil {
		opts.Notify("tracefs is mounted at /sys/kernel/tracing now")
	}
	return nil
}

// features tries the kernel out, or assumes a new one where this process may not.
func (p *Prepared) features() (compile.Features, error) {
	var missing *PrivilegeError
	if err := CheckPrivileges(); errors.As(err, &missing) {
		p.Assumed = "without privileges the kernel could not be tried out: a kernel that has everything is assumed"
		return compile.Features{
			Cmpxchg: true, TaskBTF: true, TaskRegs: true, Cookie: true, UprobeMulti: true,
			Kprobe: true, KprobeMulti: true, KprobeSession: true, Fentry: true,
		}, nil
	} else if err != nil {
		return compile.Features{}, err
	}
	return attach.Features()
}

// syscallNamesOf returns the names of system calls by their numbers, for what blocked tasks wait in. A host that does not tell them leaves
// the numbers.
func syscallNamesOf(h resolve.Host) (func(abi schemas.ABI, number int32) string, error) {
	type key struct {
		abi    schemas.ABI
		number int32
	}
	list, err := h.Syscalls()
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("listing system calls: %w", err)
	}
	names := make(map[key]string, len(list))
	for _, s := range list {
		names[key{s.ABI, s.Number}] = s.Name
	}
	return func(abi schemas.ABI, number int32) string {
		if name, ok := names[key{abi, number}]; ok {
			return name
		}
		return fmt.Sprintf("syscall_%d", number)
	}, nil
}

// exprSources hands the probe text to the parser.
func exprSources(sources []Source) []*expr.Source {
	all := make([]*expr.Source, len(sources))
	for i, s := range sources {
		all[i] = &expr.Source{Name: s.Name, Text: s.Text}
		if s.Kit {
			all[i].Name, all[i].Kit = "kit "+s.Name, s.Name
		}
	}
	return all
}
