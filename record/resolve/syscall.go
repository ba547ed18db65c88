package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

// syscallArgs is how many registers a system call has for arguments.
const syscallArgs = 6

func (f *finder) syscalls(p *spec.Probe) ([]target, *missing) {
	all, err := f.host.Syscalls()
	if err != nil {
		return nil, unreadable(p, "system call "+p.Name.Text, err)
	}
	glob := isGlob(p.Name.Text)
	var found []target
	for i := range all {
		c := &all[i]
		if p.Group.Text != "" && string(c.ABI) != p.Group.Text || !matchGlob(p.Name.Text, c.Name) {
			continue
		}
		found = append(found, target{
			site:  Site{Site: schemas.Site{Kind: p.Kind, Name: c.Name, ABI: c.ABI, Number: c.Number}, ArgCount: syscallArgs, Errno: true},
			probe: p, glob: glob,
			names: func() *env { return f.syscallEnv(c) },
		})
	}
	if len(found) == 0 {
		return nil, noSyscall(p, all)
	}
	return found, nil
}

// Names that people give system calls: those of the kernel's functions and tracepoints.
var syscallPrefixes = []string{"__x64_sys_", "__ia32_sys_", "__do_sys_", "__se_sys_", "sys_enter_", "sys_exit_", "do_sys_", "sys_", "__NR_", "SYS_"}

// librarySyscalls are functions of the C library that are other system calls than their names say.
var librarySyscalls = map[string]string{
	"posix_spawn": "vfork, syscall:clone, syscall:clone3",
	"sleep":       "clock_nanosleep",
	"usleep":      "clock_nanosleep",
	"opendir":     "openat",
	"readdir":     "getdents64",
	"sigaction":   "rt_sigaction",
	"sigprocmask": "rt_sigprocmask",
	"waitpid":     "wait4",
	"wait":        "wait4",
	"fopen":       "openat",
	"signal":      "rt_sigaction",
	"select":      "pselect6",
	"malloc":      "brk, syscall:mmap (or the function: ucall:libc:malloc)",
	"send":        "sendto",
	"recv":        "recvfrom",
	"fstat":       "newfstatat",
	"_exit":       "exit_group",
}

func noSyscall(p *spec.Probe, all []Syscall) *missing {
	var names []string
	other := false
	for _, c := range all {
		if p.Group.Text == "" || string(c.ABI) == p.Group.Text {
			names = append(names, c.Name)
		} else if c.Name == p.Name.Text {
			other = true
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	what := ""
	if p.Group.Text != "" {
		what = " of ABI " + p.Group.Text
	}
	if isGlob(p.Name.Text) {
		return absent(p.Name, nil, "no system call%s matches %q", what, p.Name.Text)
	}
	name := p.Name.Text
	for _, prefix := range syscallPrefixes {
		rest, ok := strings.CutPrefix(name, prefix)
		if _, there := slices.BinarySearch(names, rest); ok && there {
			return absent(p.Name, []string{"write syscall:" + rest}, "there is no system call %q%s", name, what)
		}
	}
	if other {
		return absent(p.Group, []string{"write syscall:" + name}, "there is no system call %q%s", name, what)
	}
	if real, ok := librarySyscalls[name]; ok {
		return absent(p.Name, []string{"in the C library it is syscall:" + real}, "there is no system call %q%s", name, what)
	}
	hints := expr.Meant(name, names)
	if len(hints) == 0 {
		hints = []string{"to see what there is: probetape probes 'syscall:*'", "a function of a library is ucall:libc:" + name}
	}
	return absent(p.Name, hints, "there is no system call %q%s", name, what)
}

func (f *finder) syscallEnv(c *Syscall) *env {
	e := &env{
		kind: schemas.KindSyscall, what: "system call " + c.Name, probe: "syscall:" + c.Name, fn: c.Name,
		space: spaceUser, types: f.lookupIn(""), numbered: syscallArgs, errno: true, i386: c.ABI == schemas.ABIi386,
	}
	if e.i386 {
		e.what = "32-bit system call " + c.Name
	}
	ret := typeOf(basicType("long"), spaceUser)
	e.ret = &ret
	switch {
	case errors.Is(c.ParamsErr, fs.ErrPermission):
		e.noArgs = refuse(fmt.Sprintf("the arguments of %s may not be read: %v", e.what, c.ParamsErr), accessHints(c.ParamsErr, "arg0 to arg5 are its arguments as plain numbers")...)
	case c.ParamsErr != nil:
		e.noArgs = refuse(fmt.Sprintf("the names of the arguments of %s are not known: %v", e.what, c.ParamsErr), accessHints(c.ParamsErr, "arg0 to arg5 are its arguments as plain numbers")...)
	}
	if !f.wants.args && !f.wants.numbered {
		return e
	}
	for i, p := range c.Params {
		a := argument{name: p.Name, index: i}
		if typ := parseCType(p.Type, e.types.named); typ != nil {
			a.t = typeOf(typ, spaceUser)
		}
		if !a.t.scalar() {
			a.t = intType(8, false)
			a.t.desc = p.Type
		}
		if a.t.class == classPointer {
			a.t.space = spaceUser
		}
		if a.t.class == classInt {
			if d := displayByName(p.Name, a.t); d != schemas.DisplayDecimal {
				a.t.display = d
			}
		}
		e.args = append(e.args, a)
	}
	return e
}

func accessHints(err error, more ...string) []string {
	var known *AccessError
	if errors.As(err, &known) {
		return append(known.Hints(), more...)
	}
	return more
}
