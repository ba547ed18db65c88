package spec

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// The longest parts of a probe: PATH_MAX, and what the longest C++ names take.
const (
	maxPath   = 4096
	maxSymbol = 4096
)

// probe parses one probe. It is a word with rules of its own: parts are separated by colons, and
//
//   - of user probes, the first part is a path, up to the next colon, white space, comma, semicolon, brace, quote or ||;
//   - every other part ends, besides, at a slash, which begins the filter;
//   - a part in double quotes holds anything: uprobe:"/opt/my app/server":main.
//
// ok is false where nothing that follows can be trusted; probe is nil where there is none.
func (p *parser) probe() (probe *Probe, ok bool) {
	t := p.Token
	if t.Kind == expr.TokenEnd {
		p.Error(t, "the text ends where a probe is expected", "a probe is written kind:name, such as syscall:openat")
		return nil, false
	}
	if t.Kind == expr.TokenBad {
		return nil, false
	}
	w := words{src: p.Source, pos: t.From}
	kind := w.take(kindEnds)
	if kind.Text == "" {
		p.notProbe(t)
		return nil, false
	}
	if w.next() != ':' {
		return nil, p.bareWord(kind)
	}
	probe = &Probe{KindAt: kind}
	probe.From = kind.From
	probe.Kind, ok = schemas.ParseKind(kind.Text)
	if !ok {
		probe.Bad = true
		return p.unknownKind(probe)
	}
	parts, problem := w.parts(probe.Kind)
	probe.To = w.pos
	probe.Text = p.Source.Text[probe.From.Offset:probe.To.Offset]
	p.Seek(w.pos)
	if problem != nil {
		p.Error(problem.at, problem.message, problem.hints...)
		probe.Bad = true
		return probe, problem.goOn
	}
	p.assign(probe, parts)
	return probe, true
}

// words reads the parts of a probe from the text.
type words struct {
	src *expr.Source
	pos expr.Pos
}

// Where parts end. White space always ends them; || ends them all.
const (
	kindEnds = ":,;{}()[]/\"'=<>&|!#"
	pathEnds = ":,;{}\"'"
	nameEnds = ":,;{}()\"'/#&|="
)

func (w *words) rest() string { return w.src.Text[w.pos.Offset:] }

// next returns the next byte, 0 at the end.
func (w *words) next() byte {
	if rest := w.rest(); rest != "" {
		return rest[0]
	}
	return 0
}

// skip moves over n bytes and returns where they were.
func (w *words) skip(n int) expr.Span {
	span := w.src.Span(w.pos, n)
	w.pos = span.To
	return span
}

// take reads up to white space or one of ends.
func (w *words) take(ends string) Part {
	rest := w.rest()
	n := strings.IndexFunc(rest, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(ends, r)
	})
	if n < 0 {
		n = len(rest)
	}
	if bars := strings.Index(rest[:n], "||"); bars >= 0 {
		n = bars
	}
	return Part{w.skip(n), rest[:n]}
}

// problem is why a probe is not one.
type problem struct {
	at      expr.Span
	message string
	hints   []string
	goOn    bool // what follows the probe can be parsed
}

// part is one part of a probe and what it was written like.
type part struct {
	Part
	quoted bool
	offset Part // what follows a quoted part: +0x10
}

// parts reads what follows the kind: colons and parts. A symbol of a user program is all that follows the path: C++ names have colons.
func (w *words) parts(kind schemas.ProbeKind) ([]part, *problem) {
	var parts []part
	for w.next() == ':' {
		colon := w.skip(1)
		path := kind.User() && len(parts) == 0
		ends := nameEnds
		switch {
		case path:
			ends = pathEnds
		case kind.User() && kind != schemas.KindUSDT:
			ends = strings.ReplaceAll(nameEnds, ":", "")
		}
		if w.next() == '"' {
			q, err := w.quoted()
			if err != nil {
				return nil, err
			}
			parts = append(parts, q)
			continue
		}
		one := part{Part: w.take(ends)}
		if one.Text == "" {
			return nil, w.emptyPart(kind, colon, len(parts))
		}
		if !utf8.ValidString(one.Text) {
			return nil, &problem{at: one.Span, message: "this is not UTF-8", goOn: true}
		}
		limit := maxSymbol
		if path {
			limit = maxPath
		}
		if len(one.Text) > limit {
			return nil, &problem{at: one.Span, message: fmt.Sprintf("this has %d bytes, the most are %d", len(one.Text), limit), goOn: true}
		}
		parts = append(parts, one)
	}
	return parts, nil
}

// quoted reads a part in double quotes, and an offset behind it.
func (w *words) quoted() (part, *problem) {
	rest := w.rest()
	value, length, err := expr.Unquote(rest)
	if err != nil {
		return part{}, &problem{at: w.src.Span(w.pos, 1), message: err.Error()}
	}
	q := part{quoted: true}
	q.Part = Part{w.skip(length), value}
	if w.next() == '+' {
		q.offset = w.take(nameEnds)
	}
	switch {
	case value == "" || strings.ContainsRune(value, 0):
		return part{}, &problem{at: q.Span, message: "this names nothing", goOn: true}
	case len(value) > maxPath:
		return part{}, &problem{at: q.Span, message: fmt.Sprintf("this has %d bytes, the most are %d", len(value), maxPath), goOn: true}
	}
	return q, nil
}

// emptyPart says what is missing between two colons or behind the last.
func (w *words) emptyPart(kind schemas.ProbeKind, colon expr.Span, index int) *problem {
	at := colon
	if w.pos.Offset > colon.From.Offset && w.next() != 0 && !unicode.IsSpace(rune(w.next())) {
		at = w.src.Span(w.pos, 1)
	}
	e := &problem{at: at, message: fmt.Sprintf("a name is missing behind %s", w.src.Text[colon.From.Offset:colon.To.Offset]), hints: []string{kindForm(kind)}}
	switch {
	case index == 0 && kind.User():
		e.message = "a path is missing behind the colon"
	case w.next() == '/' && kind.User():
		e.message = "a symbol's name is missing before the slash"
	case w.next() == ':' && !kind.User():
		e.hints = append(w.dtraceHint(kind), e.hints...)
	case w.next() == '/' && !kind.User():
		e.hints = []string{fmt.Sprintf("%s probes have no path: %s", kind, kindForm(kind))}
	}
	e.goOn = w.next() == '{' || w.next() == 0
	if !e.goOn {
		for w.next() != 0 && !unicode.IsSpace(rune(w.next())) && w.next() != '{' {
			w.skip(1)
		}
		e.goOn = true
	}
	return e
}

// kindForm is how a probe of a kind is written.
func kindForm(kind schemas.ProbeKind) string {
	switch kind {
	case schemas.KindTracepoint:
		return "a tracepoint is written tracepoint:category:name, such as tracepoint:sched:sched_switch"
	case schemas.KindRawTracepoint:
		return "a raw tracepoint is written rawtracepoint:name, such as rawtracepoint:sched_switch"
	case schemas.KindUSDT:
		return "a USDT probe is written usdt:path:provider:name, such as usdt:libc:libc:memory_sbrk_more"
	case schemas.KindUprobe, schemas.KindUretprobe, schemas.KindUcall:
		return fmt.Sprintf("it is written %[1]s:path:symbol, such as %[1]s:/bin/bash:readline or %[1]s:libc:malloc", kind)
	case schemas.KindSyscall:
		return "a system call is written syscall:name, such as syscall:openat"
	}
	return fmt.Sprintf("it is written %[1]s:function, such as %[1]s:vfs_read", kind)
}

// assign gives a probe's parts their meaning.
func (p *parser) assign(probe *Probe, parts []part) {
	bad := func(at expr.Node, message string, hints ...string) {
		p.Error(at, message, hints...)
		probe.Bad = true
	}
	last := parts[len(parts)-1]
	switch kind := probe.Kind; kind {
	case schemas.KindTracepoint:
		switch len(parts) {
		case 1:
			bad(last, fmt.Sprintf("a tracepoint has a category and a name, and %s is one of them", last.Text),
				fmt.Sprintf("tracepoint:CATEGORY:%s; to see the category: probetape probes '*%s*'", last.Text, strings.Trim(last.Text, "*")))
			return
		case 2:
			probe.Group = parts[0].Part
		default:
			bad(parts[2], "a tracepoint has a category and a name, and no third part")
			return
		}
	case schemas.KindRawTracepoint:
		if len(parts) > 1 {
			bad(parts[0], "a raw tracepoint has a name and no category", "rawtracepoint:"+last.Text)
			return
		}
	case schemas.KindUSDT:
		switch len(parts) {
		case 1:
			bad(last, "a USDT probe has a path and a name", fmt.Sprintf("to see what there is: probetape probes 'usdt:%s:*'", last.Text), kindForm(kind))
			return
		case 2:
			probe.Path = parts[0].Part
		case 3:
			probe.Path, probe.Group = parts[0].Part, parts[1].Part
		default:
			bad(parts[3], "a USDT probe has a path, a provider and a name, and no fourth part", `a path with a colon is quoted: usdt:"/a:b":provider:name`)
			return
		}
	case schemas.KindUprobe, schemas.KindUretprobe, schemas.KindUcall:
		if !p.userParts(probe, parts, bad) {
			return
		}
	case schemas.KindSyscall:
		if !p.syscallParts(probe, parts, bad) {
			return
		}
	default:
		if len(parts) > 2 {
			bad(parts[2], fmt.Sprintf("a %s has a function, perhaps behind its module, and no third part", kind), kindForm(kind))
			return
		}
		if len(parts) == 2 {
			probe.Group = parts[0].Part
		}
	}
	probe.Name = last.Part
	p.offset(probe, last, bad)
	if probe.Kind != schemas.KindUSDT && !probe.Kind.User() || probe.Kind == schemas.KindUSDT {
		p.kernelName(probe, last, bad)
	}
}

// userParts checks the parts of uprobe, uretprobe and ucall.
func (p *parser) userParts(probe *Probe, parts []part, bad func(expr.Node, string, ...string)) bool {
	if len(parts) == 1 {
		path := parts[0]
		if strings.Contains(path.Text, "/") {
			bad(path, fmt.Sprintf("which function of %s?", path.Text),
				fmt.Sprintf("%s:%s:SYMBOL; to see what there is: probetape probes '%[1]s:%[2]s:*'", probe.Kind, path.Text))
		} else {
			bad(path, fmt.Sprintf("a %s has a path and a symbol, and %s is one of them", probe.Kind, path.Text),
				fmt.Sprintf("%s:PATH:%s, such as %[1]s:libc:malloc", probe.Kind, path.Text))
		}
		return false
	}
	probe.Path = parts[0].Part
	symbol := parts[1]
	if len(parts) > 2 {
		bad(parts[2], "a symbol has no third part", "a name with quotes in it is quoted as a whole")
		return false
	}
	if symbol.quoted {
		return true
	}
	if single := strings.Index(strings.ReplaceAll(symbol.Text, "::", "  "), ":"); single >= 0 {
		rest := symbol.Text[single+1:]
		hint := fmt.Sprintf(`a path with a colon is quoted: %s:"/a:b":symbol`, probe.Kind)
		if language := symbol.Text[:single]; language == "cpp" || language == "c" || language == "rust" {
			hint = fmt.Sprintf("names are found by themselves: %s:%s:%s", probe.Kind, probe.Path.Text, rest)
		} else if rest == "entry" || rest == "return" {
			hint = fmt.Sprintf("ucall:%s:%s records both, and the time between them", probe.Path.Text, symbol.Text[:single])
		}
		bad(p.Source.Span(p.Source.Span(symbol.From, single).To, 1), "a symbol has no single colon in it", hint)
		return false
	}
	if c := symbol.Text[0]; c >= '0' && c <= '9' {
		address, err := strconv.ParseUint(symbol.Text, 0, 64)
		if err != nil {
			bad(symbol, fmt.Sprintf("%s is neither a symbol nor an address", symbol.Text), fmt.Sprintf("%s:%s:0x4010", probe.Kind, probe.Path.Text))
			return false
		}
		probe.Address = &address
		return false // there is no name to look at
	}
	return true
}

// syscallParts checks the parts of syscall.
func (p *parser) syscallParts(probe *Probe, parts []part, bad func(expr.Node, string, ...string)) bool {
	last := parts[len(parts)-1]
	switch {
	case len(parts) == 1:
		return true
	case len(parts) > 2:
		bad(parts[2], "a system call has a name, perhaps behind its ABI, and no third part", kindForm(probe.Kind))
		return false
	}
	probe.Group = parts[0].Part
	if abi := schemas.ABI(probe.Group.Text); abi == schemas.ABIx8664 || abi == schemas.ABIi386 {
		return true
	}
	hints := []string{fmt.Sprintf("ABIs are %s and %s: syscall:%[2]s:openat; without one it is every ABI's", schemas.ABIx8664, schemas.ABIi386)}
	if last.Text == "entry" || last.Text == "return" || last.Text == "enter" || last.Text == "exit" {
		hints = []string{fmt.Sprintf("syscall:%s records both, and the time between them", probe.Group.Text)}
	}
	bad(probe.Group, probe.Group.Text+" is not an ABI", hints...)
	return false
}

// offset cuts name+0x10 into name and offset.
func (p *parser) offset(probe *Probe, last part, bad func(expr.Node, string, ...string)) {
	text, at := last.offset.Text, last.offset.Span
	if !last.quoted {
		plus := strings.LastIndexByte(last.Text, '+')
		if plus < 0 {
			return
		}
		text = last.Text[plus:]
		at = p.Source.Span(p.Source.Span(last.From, plus).To, len(text))
		probe.Name = Part{expr.Span{From: last.From, To: at.From}, last.Text[:plus]}
	}
	if text == "" {
		return
	}
	value, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 0, 64)
	switch {
	case err != nil:
		hint := "an offset is in bytes: name+0x10"
		if probe.Kind.User() {
			hint += `; a name with a + in it is quoted: "operator+"`
		}
		bad(at, fmt.Sprintf("%s is not an offset", text), hint)
	case probe.Kind != schemas.KindKprobe && probe.Kind != schemas.KindUprobe:
		bad(at, fmt.Sprintf("a %s has no offset", probe.Kind), "kprobe and uprobe have: they can be at any instruction of a function")
	case probe.Name.Text == "":
		bad(at, "the offset has no name before it")
	case strings.ContainsAny(probe.Name.Text, "*?["):
		bad(at, "an offset is of one function, not of a glob")
	default:
		probe.Offset = value
	}
}

// kernelName checks that a name, and the group before it, can be ones of the kernel or of USDT: identifiers, with the points and dollars that
// compilers put in, and globs.
func (p *parser) kernelName(probe *Probe, last part, bad func(expr.Node, string, ...string)) {
	for _, part := range []Part{probe.Group, probe.Name} {
		i := strings.IndexFunc(part.Text, func(r rune) bool {
			return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.$*?[]-^!@", r)
		})
		if i < 0 || probe.Bad {
			continue
		}
		r, size := utf8.DecodeRuneInString(part.Text[i:])
		at := part.Span
		if !last.quoted {
			at = p.Source.Span(p.Source.Span(part.From, i).To, size)
		}
		bad(at, fmt.Sprintf("a name has no %q in it", r))
	}
}
