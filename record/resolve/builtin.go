package resolve

import (
	"fmt"
	"strconv"
	"strings"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// builtinNames are the names that an expression may use besides arg0 to arg9 and constants of enums.
var builtinNames = [...]string{
	"args", "comm", "pid", "tid", "uid", "gid", "cpu", "cgroup", "nsecs", "probe", "func", "duration", "retval", "kstack", "ustack", "str", "buf",
}

// known reports whether name is a built-in, or an argument's number.
func (s *scope) known(name string) bool {
	for _, b := range builtinNames {
		if b == name {
			return true
		}
	}
	_, ok := argNumber(name)
	return ok
}

// argNumber reads arg0, arg1, ...
func argNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "arg")
	if !ok || digits == "" || len(digits) > 3 {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && strconv.Itoa(n) == digits
}

// simple are the built-ins that are the same at every probe.
var simple = map[string]struct {
	op Op
	t  ctype
}{
	"pid":    {OpPID, ctype{class: classInt, size: 4, desc: "u32"}},
	"tid":    {OpTID, ctype{class: classInt, size: 4, desc: "u32"}},
	"uid":    {OpUID, ctype{class: classInt, size: 4, desc: "u32"}},
	"gid":    {OpGID, ctype{class: classInt, size: 4, desc: "u32"}},
	"cpu":    {OpCPU, ctype{class: classInt, size: 4, desc: "u32"}},
	"cgroup": {OpCgroup, ctype{class: classInt, size: 8, desc: "u64"}},
	"nsecs":  {OpNsecs, ctype{class: classInt, size: 8, desc: "u64", display: schemas.DisplayTime}},
	"comm":   {OpComm, ctype{class: classText, max: 16}},
	"kstack": {OpKstack, ctype{class: classStack}},
	"ustack": {OpUstack, ctype{class: classStack}},
}

// ident checks a bare name.
func (s *scope) ident(e *expr.Ident) value {
	if b, ok := simple[e.Name]; ok {
		return value{t: b.t, x: node(e, b.op, b.t.plan())}
	}
	if n, ok := argNumber(e.Name); ok {
		return s.numbered(e, n)
	}
	switch e.Name {
	case "args":
		return s.argsAlone(e)
	case "probe":
		return s.ownText(e, s.env.probe)
	case "func":
		return s.ownText(e, s.env.fn)
	case "duration":
		if !s.env.kind.Call() {
			return s.errorf(e, s.callHints(), "a %s is a moment and has no duration", s.env.kind)
		}
		t := intType(8, false)
		t.display = schemas.DisplayNanos
		return value{t: t, x: node(e, OpDuration, t.plan())}
	case "retval":
		if s.env.void && s.zero {
			s.zeroed = true
			return zeroResult(e)
		}
		v, r := s.env.result(e)
		if r != nil {
			return s.refused(e, r)
		}
		return v
	case "str", "buf":
		return s.errorf(e, []string{e.Name + callForm(e.Name)}, "%s is a function", e.Name)
	}
	if c, ok := s.env.types.enumerator(e.Name); ok {
		t := typeOf(c.enum, spaceKernel)
		return value{t: t, x: constant(e, c.value, t.plan())}
	}
	return s.unknownName(e)
}

// zeroResult stands for the return value of a function that returns nothing, among others that do.
func zeroResult(at expr.Node) value {
	t := intType(4, true)
	return value{t: t, x: constant(at, 0, t.plan())}
}

func callForm(name string) string {
	if name == "buf" {
		return "(address, length): bytes from memory"
	}
	return "(address) or str(address, length): a string from memory"
}

func (s *scope) ownText(e *expr.Ident, text string) value {
	t := textType(len(text))
	x := node(e, OpText, t.plan())
	x.Text = text
	return value{t: t, x: x}
}

func (s *scope) numbered(e *expr.Ident, n int) value {
	if n >= maxArgs && s.env.kind != schemas.KindUSDT {
		return s.errorf(e, nil, "there is no %s: arguments are counted from arg0 to arg%d", e.Name, maxArgs-1)
	}
	v, r := s.env.numberedArg(e, n, n < 32 && s.raw&(1<<n) != 0)
	if r != nil {
		return s.refused(e, r)
	}
	return v
}

func (s *scope) argsAlone(e *expr.Ident) value {
	if s.env.noArgs != nil {
		return s.refused(e, s.env.noArgs)
	}
	var hints []string
	if names := s.env.argNames(); len(names) > 0 {
		hints = []string{"name an argument: args." + names[0], "arguments: " + list(names)}
	}
	return s.errorf(e, hints, "args is all arguments together, which have no value")
}

// callHints says which call probe has what a point lacks.
func (s *scope) callHints() []string {
	switch s.env.kind {
	case schemas.KindKprobe, schemas.KindKretprobe, schemas.KindFentry, schemas.KindFexit:
		return []string{"kcall:" + s.env.fn + " makes one event of the entry and the return, with their duration"}
	case schemas.KindUprobe, schemas.KindUretprobe:
		return []string{"ucall makes one event of the entry and the return, with their duration"}
	case schemas.KindTracepoint:
		if name, ok := syscallOfTracepoint(s.env.fn); ok {
			return []string{"syscall:" + name + " makes one event of the entry and the return, with their duration"}
		}
		return []string{"record both ends as two tables, and pair them with: probetape analyze latency --start A --end B --key FIELD"}
	}
	return nil
}

func syscallOfTracepoint(name string) (string, bool) {
	for _, prefix := range []string{"sys_enter_", "sys_exit_"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest, true
		}
	}
	return "", false
}

// foreign are names of other tools, with what does here what they do there.
var foreign = map[string]string{
	"elapsed":    "every row has its time; nsecs is the clock",
	"timestamp":  "every row has its time; nsecs is the clock",
	"username":   "uid is the user's number",
	"curtask":    "every row has its task",
	"ppid":       "the capture holds each task's parent",
	"pcomm":      "the capture holds each task's parent and its name",
	"execname":   "comm is the task's name",
	"ctx":        "args.NAME and arg0, arg1, ... are the arguments",
	"ret":        "the return value is retval",
	"rval":       "the return value is retval",
	"returned":   "the return value is retval",
	"errno":      "every call has its errno when it is analysed; here: retval == -2",
	"latency":    "the time that a call took is duration",
	"elapsed_ns": "the time that a call took is duration",
	"cgroupid":   "the task's cgroup is cgroup",
	"stack":      "the call stacks are kstack and ustack",
	"name":       "the probe's name is probe, the function's func",
}

func (s *scope) unknownName(e *expr.Ident) value {
	if hint, ok := foreign[e.Name]; ok {
		return s.errorf(e, []string{hint}, "there is no %q", e.Name)
	}
	// The name of an argument without args. before it is the likeliest mistake.
	if s.env.named(e.Name) != nil {
		return s.errorf(e, []string{"write args." + e.Name}, "there is no %q", e.Name)
	}
	if s.fields[e.Name] {
		return s.errorf(e, []string{"write the field's expression again"}, "%q is a field of this statement, which other expressions do not see", e.Name)
	}
	names := append(builtinNames[:len(builtinNames):len(builtinNames)], "arg0")
	hints := expr.Meant(e.Name, names)
	if len(hints) == 0 {
		if near := expr.Nearest("args."+e.Name, prefixed("args.", s.env.argNames())); len(near) > 0 {
			hints = expr.DidYouMean(near)
		}
	}
	if len(hints) == 0 {
		hints = []string{"built-ins: " + strings.Join(builtinNames[:], ", ") + ", arg0 to arg9"}
	}
	return s.errorf(e, hints, "there is no %q", e.Name)
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + n
	}
	return out
}

// enumConstant checks a bare name that stands beside a value of an enum.
func (s *scope) enumConstant(e *expr.Ident, t ctype) (value, bool) {
	if t.class != classEnum {
		return bad(), false
	}
	enum, ok := enumOf(t)
	if !ok {
		return bad(), false
	}
	if n, ok := enumValue(enum, e.Name); ok {
		return value{t: t, x: constant(e, n, t.plan())}, true
	}
	names := make([]string, len(enum.Values))
	for i, v := range enum.Values {
		names[i] = v.Name
	}
	hints := expr.Meant(e.Name, names)
	if len(hints) == 0 {
		hints = []string{"constants: " + list(names)}
	}
	return s.errorf(e, hints, "%s has no constant %q", t, e.Name), true
}

// foreignCalls are functions of other tools, with what does here what they do there.
var foreignCalls = map[string]string{
	"ksym":     "addresses are shown with their symbols: keep the address itself",
	"usym":     "addresses are shown with their symbols: keep the address itself",
	"kaddr":    "keep the address itself; it is shown with its symbol",
	"uaddr":    "keep the address itself; it is shown with its symbol",
	"kptr":     "not needed: whose memory an address is of is known, or told by the address",
	"uptr":     "not needed: whose memory an address is of is known, or told by the address",
	"ntop":     "keep the address's bytes: buf(p, 4), buf(p, 16)",
	"strncmp":  `compare the beginning with a glob: str(p) ~ "abc*"`,
	"strcmp":   `compare with ==: str(p) == "abc"`,
	"strlen":   "keep the string: str(p)",
	"strftime": "every row has its time",
	"count":    "every event is recorded: count when analysing (probetape analyze counts)",
	"hist":     "every event is recorded: see its distribution when analysing (probetape analyze latency)",
	"lhist":    "every event is recorded: see its distribution when analysing (probetape analyze latency)",
	"sum":      "every event is recorded: sum when analysing",
	"avg":      "every event is recorded: see its distribution when analysing (probetape analyze latency)",
	"printf":   "name what you want to keep as a field: { x = args.x }",
	"print":    "name what you want to keep as a field: { x = args.x }",
	"delete":   "there is nothing to delete: entry and return are one event of a call probe",
	"exit":     "a recording ends by -d DURATION, --max-size, or with its command",
	"sizeof":   "write the number",
	"kstack":   "kstack is written without parentheses",
	"ustack":   "ustack is written without parentheses",
	"cgroupid": "compare cgroup with the number of the folder: stat -c %i /sys/fs/cgroup/NAME; or record with --cgroup",
	"reg":      "arg0, arg1, ... and retval are the registers that hold arguments and results",
	"join":     "keep the strings one by one: str(args.argv[0])",
	"signal":   "a recording never changes what it records",
	"system":   "a recording never runs anything",
}

// call checks str() and buf().
func (s *scope) call(e *expr.Call) value {
	switch e.Fun.Name {
	case "str":
		return s.str(e)
	case "buf":
		return s.buf(e)
	}
	for _, a := range e.Args {
		s.value(a)
	}
	if hint, ok := foreignCalls[e.Fun.Name]; ok {
		return s.errorf(e.Fun, []string{hint}, "there is no function %q", e.Fun.Name)
	}
	if s.known(e.Fun.Name) {
		return s.errorf(e.Fun, []string{"write " + e.Fun.Name + " without parentheses"}, "%s is no function", e.Fun.Name)
	}
	hints := expr.Meant(e.Fun.Name, []string{"str", "buf"})
	if len(hints) == 0 {
		hints = []string{"functions: str" + callForm("str"), "buf" + callForm("buf")}
	}
	return s.errorf(e.Fun, hints, "there is no function %q", e.Fun.Name)
}

// str reads a string: str(address), str(address, length). A text that is there already only gets another length.
func (s *scope) str(e *expr.Call) value {
	if len(e.Args) == 0 || len(e.Args) > 2 {
		return s.arity(e)
	}
	v := s.value(e.Args[0])
	var length *value
	if len(e.Args) == 2 {
		l, ok := s.length(e.Args[1])
		if !ok {
			return bad()
		}
		length = &l
	}
	if v.bad() {
		return v
	}
	if v.t.class == classArray && isChar(v.t.target) {
		v = s.wholeArray(e.Args[0], v)
	}
	if v.t.class == classText {
		return s.resize(e, v, length)
	}
	p := s.bytesAt(e.Args[0], v)
	if p.bad() {
		return p
	}
	most := defaultText
	var limit *Expr
	if size := arraySize(v.t); v.t.class == classArray && size > 0 && size <= schemas.MaxTextLen {
		most, limit = size, constant(e, int64(size), intType(4, true).plan()) // bytes that hold a text, with or without a NUL
	}
	if length != nil {
		limit = convert(e.Args[1], *length, promote(length.t))
		most = defaultText
		if limit.Op == OpConst {
			most = int(limit.Int)
		}
	}
	x := node(e, OpStr, textType(most).plan(), p.x, limit)
	x.Max, x.User, x.Either = most, p.t.space == spaceUser, p.t.space == spaceEither
	return value{t: textType(most), x: x}
}

// resize gives a text that is read already a length.
func (s *scope) resize(e *expr.Call, v value, length *value) value {
	if length == nil || v.x.Op == OpText || v.x.Op == OpCond {
		return v
	}
	if length.x.Op != OpConst {
		return s.errorf(e.Args[1], nil, "%s is a string already: its length must be a constant", show(e.Args[0]))
	}
	most := int(length.x.Int)
	x := *v.x
	if x.Op == OpStr && x.Y != nil && x.Y.Op == OpConst {
		most = min(most, int(x.Y.Int)) // an array of char has no more
	}
	if x.Op == OpComm {
		most = min(most, 16)
	}
	x.Max, x.Type.Max = most, most
	x.Line, x.Col = e.Pos().Line, e.Pos().Col
	return value{t: textType(most), x: &x}
}

// buf reads bytes: buf(address, length).
func (s *scope) buf(e *expr.Call) value {
	if len(e.Args) != 2 {
		return s.arity(e)
	}
	v := s.value(e.Args[0])
	l, ok := s.length(e.Args[1])
	if !ok || v.bad() {
		return bad()
	}
	p := s.bytesAt(e.Args[0], v)
	if p.bad() {
		return p
	}
	most := defaultBytes
	limit := convert(e.Args[1], l, promote(l.t))
	if limit.Op == OpConst {
		most = int(limit.Int)
	}
	x := node(e, OpBuf, bytesType(most).plan(), p.x, limit)
	x.Max, x.User, x.Either = most, p.t.space == spaceUser, p.t.space == spaceEither
	return value{t: bytesType(most), x: x}
}

func (s *scope) arity(e *expr.Call) value {
	for _, a := range e.Args {
		s.value(a)
	}
	return s.errorf(e, []string{e.Fun.Name + callForm(e.Fun.Name)}, "%s with %s", e.Fun.Name, plural(len(e.Args), "argument"))
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// length checks how many bytes are to be kept.
func (s *scope) length(e expr.Expr) (value, bool) {
	l := s.scalar(e, "a length")
	if l.bad() {
		return l, false
	}
	if !l.t.number() {
		s.errorf(e, nil, "a length must be a number, and %s is %s", show(e), describe(l.t))
		return bad(), false
	}
	if l.x.Op == OpConst && (l.x.Int < 1 || l.x.Int > schemas.MaxTextLen) {
		s.errorf(e, nil, "a length must be between 1 and %d bytes", schemas.MaxTextLen)
		return bad(), false
	}
	return l, true
}

// bytesAt returns the address whose content is to be read: a pointer's, a number's, that of a struct or an array.
func (s *scope) bytesAt(e expr.Expr, v value) value {
	switch v.t.class {
	case classPointer:
		return s.read(e, v)
	case classArray, classStruct:
		return value{t: pointerTo(v.t.target, v.mem.space), x: v.mem.address(e)}
	case classInt:
		v = s.read(e, v)
		if v.t.size < 8 && v.x.Op != OpConst {
			return s.errorf(e, nil, "%s is a number of %d bits (%s), which holds no address", show(e), 8*v.t.size, v.t)
		}
		if v.x.Op == OpConst && v.x.Int == 0 {
			return s.errorf(e, nil, "there is nothing at address 0")
		}
		return value{t: ctype{class: classPointer, size: 8, space: s.env.space, desc: v.t.desc}, x: convert(e, v, intType(8, false))}
	case classText:
		return s.errorf(e, []string{"keep it as it is: " + show(e)}, "%s is a string already", show(e))
	case classBytes:
		if v.x.Op == OpBuf && v.x.X != nil {
			return value{t: ctype{class: classPointer, size: 8, space: spaceKernel}, x: v.x.X}
		}
	}
	return s.errorf(e, nil, "%s is %s, which is no address", show(e), describe(v.t))
}
