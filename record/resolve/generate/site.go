package generate

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/record/resolve"
	"probetape/schemas"
)

// site is what expressions can name at a probe.
type site struct {
	probe    string
	call     bool
	numbers  []string // expressions that are numbers
	pointers []pointer
	texts    []string // expressions that are texts
	contents []string // expressions that can be kept only: arrays, structs' arrays
}

// pointer is an expression that is an address of a type.
type pointer struct {
	text string
	to   btf.Type
}

func (g *Generator) site(kind schemas.ProbeKind) *site {
	s := &site{
		numbers: []string{"pid", "tid", "uid", "gid", "cpu", "cgroup", "nsecs"},
		texts:   []string{"comm"},
		call:    kind.Call(),
	}
	switch kind {
	case schemas.KindTracepoint:
		t := pick(g, g.tracepoints)
		s.probe = fmt.Sprintf("tracepoint:%s:%s", t.Category, t.Name)
		if f, err := g.host.Format(t.Category, t.Name); err == nil {
			for _, field := range f.Fields {
				s.field(field)
			}
		}
	case schemas.KindRawTracepoint:
		t := pick(g, g.raw)
		s.probe = "rawtracepoint:" + t.Name
		var iter *btf.Func
		if err := g.kernel.TypeByName("__traceiter_"+t.Name, &iter); err == nil {
			if proto, ok := iter.Type.(*btf.FuncProto); ok && len(proto.Params) > 0 {
				s.params(proto.Params[1:])
			}
		}
	case schemas.KindSyscall:
		c := pick(g, g.syscalls)
		s.probe = fmt.Sprintf("syscall:%s:%s", c.ABI, c.Name)
		s.numbers = append(s.numbers, "arg0", "arg1", "arg5", "duration")
		for _, p := range c.Params {
			if strings.Contains(p.Type, "*") {
				s.pointers = append(s.pointers, pointer{text: "args." + p.Name})
			} else {
				s.numbers = append(s.numbers, "args."+p.Name)
			}
		}
		s.numbers = append(s.numbers, "retval")
		if g.chance(20) {
			s.probe, s.pointers = "syscall:*", nil
			s.numbers = []string{"pid", "tid", "arg0", "arg1", "arg2", "arg3", "arg4", "arg5", "retval"}
		}
	case schemas.KindUSDT:
		u := pick(g, g.usdt)
		s.probe = fmt.Sprintf("usdt:%s:%s:%s", u.path, u.provider, u.name)
		for i := range u.args {
			s.numbers = append(s.numbers, fmt.Sprintf("arg%d", i))
		}
	case schemas.KindUprobe, schemas.KindUretprobe, schemas.KindUcall:
		f := pick(g, g.user)
		s.probe = fmt.Sprintf("%s:%s:%q", kind, f.path, f.name)
		s.functionArgs(kind, f.proto, 10)
	default:
		f := pick(g, g.functions)
		s.probe = fmt.Sprintf("%s:%s", kind, f.name)
		s.functionArgs(kind, f.proto, len(f.proto.Params))
	}
	if s.call {
		s.numbers = append(s.numbers, "duration")
	}
	return s
}

func (s *site) functionArgs(kind schemas.ProbeKind, proto *btf.FuncProto, numbered int) {
	switch kind {
	case schemas.KindKretprobe, schemas.KindUretprobe:
	default:
		for i := range min(numbered, 6) {
			if proto == nil {
				s.numbers = append(s.numbers, fmt.Sprintf("arg%d", i))
			}
		}
		if proto != nil {
			s.params(proto.Params)
		}
	}
	switch kind {
	case schemas.KindKprobe, schemas.KindFentry, schemas.KindUprobe:
	default:
		s.result(proto)
	}
}

// result adds the return value.
func (s *site) result(proto *btf.FuncProto) {
	if proto == nil {
		s.numbers = append(s.numbers, "retval")
		return
	}
	s.typed("retval", proto.Return)
}

func (s *site) params(params []btf.FuncParam) {
	for _, p := range params {
		if p.Name != "" {
			s.typed("args."+p.Name, p.Type)
		}
	}
}

// typed sorts an expression by its type.
func (s *site) typed(text string, t btf.Type) {
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		if u.Size <= 8 && u.Encoding != btf.Bool {
			s.numbers = append(s.numbers, text)
		}
	case *btf.Enum:
		s.numbers = append(s.numbers, text)
	case *btf.Pointer:
		s.pointers = append(s.pointers, pointer{text, u.Target})
	case *btf.Array:
		s.contents = append(s.contents, text)
	}
}

// field sorts a field of a tracepoint's record.
func (s *site) field(f resolve.FormatField) {
	text := "args." + f.Name
	switch {
	case f.DataLoc || f.RelLoc:
		if strings.HasPrefix(f.Type, "char") {
			s.texts = append(s.texts, text)
		} else {
			s.contents = append(s.contents, text)
		}
	case strings.HasPrefix(f.Type, "char[") || strings.HasPrefix(f.Type, "char ["):
		s.texts = append(s.texts, text)
	case strings.Contains(f.Type, "["):
		s.contents = append(s.contents, text)
	case strings.Contains(f.Type, "*"):
		s.pointers = append(s.pointers, pointer{text: text})
	case !strings.HasPrefix(f.Type, "struct") && f.Type != "bool" && f.Size <= 8 && f.Offset >= 8:
		s.numbers = append(s.numbers, text)
	}
}
