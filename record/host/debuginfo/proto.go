package debuginfo

import (
	"debug/dwarf"

	"github.com/cilium/ebpf/btf"
)

// maxParams is more than any function has.
const maxParams = 256

// proto makes a function's prototype of its entry and those that it completes.
func (i *Info) proto(e *dwarf.Entry, w *walker) (*btf.FuncProto, error) {
	c := &converter{types: map[place]btf.Type{}}
	p := &btf.FuncProto{Return: btf.Type((*btf.Void)(nil))}
	typed := false
	at := i
	// The abstract function lists every parameter, its copies only those that were not optimised away: the last entry that has any counts,
	// unless it is a mere declaration, whose parameters may lack names.
	for n := range maxOrigins {
		if !typed {
			if info, off, ok := at.reference(e, dwarf.AttrType); ok {
				p.Return, typed = c.typ(info, off, 0), true
			}
		}
		if declaration, ok := e.Val(dwarf.AttrDeclaration).(bool); n == 0 || !ok || !declaration || len(p.Params) == 0 {
			params, err := at.params(e, w, c)
			if err != nil {
				return nil, err
			}
			if len(params) > 0 {
				p.Params = params
			}
		}
		info, off, ok := at.origin(e)
		if !ok {
			break
		}
		var err error
		if e, w, err = info.entry(off); err != nil {
			return nil, err
		}
		at = info
	}
	if p.Return == nil {
		p.Return = (*btf.Void)(nil)
	}
	return p, c.fill()
}

// params reads the parameters below an entry.
func (i *Info) params(e *dwarf.Entry, w *walker, c *converter) ([]btf.FuncParam, error) {
	if !e.Children {
		return nil, nil
	}
	var params []btf.FuncParam
	for {
		child, err := w.next()
		if err != nil {
			return nil, err
		}
		if child == nil || child.Tag == 0 || len(params) == maxParams {
			return params, nil
		}
		switch child.Tag {
		case dwarf.TagFormalParameter:
			param := btf.FuncParam{Name: i.nameOf(child), Type: (*btf.Void)(nil)}
			if info, off, ok := i.typeOf(child); ok {
				param.Type = c.typ(info, off, 0)
			}
			params = append(params, param)
		case dwarf.TagUnspecifiedParameters:
			params = append(params, btf.FuncParam{Type: (*btf.Void)(nil)})
		}
		if err := w.skip(child); err != nil {
			return nil, err
		}
	}
}

// typeOf returns the type of a parameter, or of the one that it completes.
func (i *Info) typeOf(e *dwarf.Entry) (*Info, dwarf.Offset, bool) {
	at := i
	for range maxOrigins {
		if info, off, ok := at.reference(e, dwarf.AttrType); ok {
			return info, off, true
		}
		next, off, ok := at.origin(e)
		if !ok {
			return nil, 0, false
		}
		var err error
		if e, _, err = next.entry(off); err != nil {
			return nil, 0, false
		}
		at = next
	}
	return nil, 0, false
}
