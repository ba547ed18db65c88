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

// A target is one place that a probe stands for on the host.
type target struct {
	site  Site
	probe *spec.Probe
	where int  // position of the probe in its statement
	glob  bool // a glob found it
	// names makes what expressions need of it; it is asked for once, where something is named.
	names func() *env
	env   *env
}

// wanted is what a statement's expressions ask of a site, so that nothing is read that they do not name.
type wanted struct {
	args     bool // args.NAME
	numbered bool // arg0, arg1, ...
	result   bool // retval
}

func (w wanted) any() bool { return w.args || w.numbered || w.result }

// missing says why a probe stands for nothing.
type missing struct {
	at      expr.Node
	message string
	hints   []string
	absent  bool // looked for and not there, so that an alternative may be taken; else it could not be looked for, or is wrong anyway
}

func absent(at expr.Node, hints []string, format string, args ...any) *missing {
	return &missing{at, fmt.Sprintf(format, args...), hints, true}
}

func wrong(at expr.Node, hints []string, format string, args ...any) *missing {
	return &missing{at, fmt.Sprintf(format, args...), hints, false}
}

// unreadable says that a list of the host could not be read.
func unreadable(at expr.Node, what string, err error) *missing {
	var known *AccessError
	var hints []string
	if errors.As(err, &known) {
		hints = known.Hints()
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return wrong(at, hints, "whether there is a %s is not known: %v", what, err)
	case errors.Is(err, fs.ErrNotExist):
		return absent(at, hints, "there is no %s here: %v", what, err)
	}
	return wrong(at, hints, "looking for %s: %v", what, err)
}

// cause is why something of the host could not be read, without the words of what it was.
func cause(err error) error {
	var known *AccessError
	if errors.As(err, &known) {
		return known.Err
	}
	return err
}

// finder finds what probes stand for.
type finder struct {
	host   Host
	wants  wanted
	names  *typeNames
	notes  []string // about the probe that is being looked for: sites left out and why
	advice []advice
}

// advice is a note about a probe that works.
type advice struct {
	at      expr.Node
	message string
	hint    string
}

func (f *finder) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// find returns the places that a probe stands for, at least one, or why there is none.
func (f *finder) find(p *spec.Probe) ([]target, *missing) {
	switch p.Kind {
	case schemas.KindTracepoint:
		return f.tracepoints(p)
	case schemas.KindRawTracepoint:
		return f.rawTracepoints(p)
	case schemas.KindSyscall:
		return f.syscalls(p)
	case schemas.KindKprobe, schemas.KindKretprobe, schemas.KindFentry, schemas.KindFexit, schemas.KindKcall:
		return f.kernelFunctions(p)
	case schemas.KindUprobe, schemas.KindUretprobe, schemas.KindUcall:
		return f.userFunctions(p)
	case schemas.KindUSDT:
		return f.usdts(p)
	}
	return nil, wrong(p, nil, "probe kind %s is not known", p.Kind)
}

// lookupIn finds types of the kernel, a module's first.
func (f *finder) lookupIn(module string) lookup {
	return lookup{host: f.host, module: module, names: f.names}
}

// maxMeant is how many names are proposed for one that is not there.
const maxMeant = 3

// joined writes what is left out, by its reason: "3 functions (a, b, c)".
func joined(names []string, one string) string {
	slices.Sort(names)
	const most = 3
	shown := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		shown += ", ..."
	}
	return fmt.Sprintf("%s (%s)", plural(len(names), one), shown)
}
