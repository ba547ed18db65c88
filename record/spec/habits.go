package spec

import (
	"fmt"
	"slices"
	"strings"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// What people bring from other tools gets our way of saying it.

// notStatement reports what begins a statement in other languages and none here. It returns false where one may begin.
func (p *parser) notStatement() bool {
	t := p.Token
	next := p.Peek()
	switch {
	case t.IsName("BEGIN") || t.IsName("END"):
		if next.Is(":") {
			return false
		}
		p.Error(t, fmt.Sprintf("there is no %s: nothing runs before or after a recording", t.Text), "start with the probes: kind:name /filter/ { fields }")
	case t.IsName("config") && (next.Is("=") || next.Is("{")) && !p.assignsProbe():
		p.Error(t, "a recording is configured by flags of record, not in the text")
	case (t.IsName("struct") || t.IsName("union") || t.IsName("enum")) && next.Kind == expr.TokenName:
		p.Error(t, "types are not declared: the kernel's own come from its BTF, a program's from its debug information", "(struct sock *)arg0")
	case t.Is("{"):
		p.Error(t, "the probe is missing before its fields", "kind:name { fields }, such as syscall:openat { path = str(args.filename) }")
	case t.Is("/"):
		p.Error(t, "the probe is missing before its filter", "kind:name /filter/, such as syscall:openat /pid == 42/")
	case t.Is("@"):
		p.Error(t, "there are no maps: events are stored as they are, and counted by analyze", "record the probe, then: probetape analyze counts --by comm CAPTURE")
	default:
		return false
	}
	return true
}

// assignsProbe reports whether behind NAME = a probe begins: kind:.
func (p *parser) assignsProbe() bool {
	_, behind, _ := strings.Cut(p.Source.Text[p.Token.From.Offset:], "=")
	behind = strings.TrimLeft(behind, " \t\r\n")
	word := name(behind)
	return word != "" && strings.HasPrefix(behind[len(word):], ":")
}

// straceQualifiers are what strace's -e takes before an equals sign.
var straceQualifiers = map[string]bool{
	"trace": true, "t": true, "signal": true, "s": true, "read": true, "write": true, "abbrev": true, "verbose": true, "raw": true,
	"status": true, "inject": true, "fault": true, "quiet": true, "decode-fds": true, "kvm": true,
}

// straceQualifier reports -e trace=openat,read and its like.
func (p *parser) straceQualifier() bool {
	t := p.Token
	if !straceQualifiers[t.Text] || p.assignsProbe() {
		return false
	}
	rest := p.Source.Text[t.From.Offset:]
	line, _, _ := strings.Cut(rest, "\n")
	_, value, _ := strings.Cut(line, "=")
	value = strings.TrimSpace(value)
	at := p.Source.Span(t.From, len(strings.TrimRight(line, " \t\r")))
	if t.Text != "trace" && t.Text != "t" {
		p.Error(at, fmt.Sprintf("%s= is strace's", t.Text), "a probe is written kind:name, such as syscall:openat")
		return true
	}
	p.Error(at, "trace= is strace's", straceHint(value))
	return true
}

// straceHint says how to record what strace's trace= would.
func straceHint(value string) string {
	var probes []string
	for word := range strings.SplitSeq(value, ",") {
		switch word = strings.TrimSpace(word); {
		case word == "all" || word == "":
			return "every system call: probetape record -k syscalls"
		case word == "file" || word == "%file":
			return "calls that take a path: probetape record -k files"
		case strings.HasPrefix(word, "%") || strings.HasPrefix(word, "!") || strings.HasPrefix(word, "/"):
			return "a glob names many calls: syscall:open*, syscall:*at"
		default:
			probes = append(probes, "syscall:"+word)
		}
	}
	return strings.Join(probes, ", ")
}

// notProbe reports a token that no probe begins with.
func (p *parser) notProbe(t expr.Token) {
	switch {
	case t.Is("*"):
		p.Error(t, "a probe begins with its kind", "every system call: syscall:*")
	case t.Is("$"):
		p.Error(t, "there are no variables", "let the shell put the value in")
	case t.Is("}") || t.Is(")") || t.Is("]"):
		p.Error(t, fmt.Sprintf("this %s closes nothing", t.Text))
	case t.Kind == expr.TokenString:
		p.Error(t, "a probe begins with its kind, without quotes", `uprobe:"/opt/my app/server":main`)
	default:
		p.Error(t, fmt.Sprintf("a probe is expected before %s", p.Describe(t)), "a probe is written kind:name, such as syscall:openat")
	}
}

// bareWord reports a word without a colon where a probe is expected. It returns whether what follows can be parsed.
func (p *parser) bareWord(word Part) bool {
	after := p.Source.Text[word.To.Offset:]
	kind, isKind := schemas.ParseKind(word.Text)
	switch {
	case strings.HasPrefix(after, "/") && (isKind || libbpfKinds[word.Text] != schemas.KindNone):
		if !isKind {
			kind = libbpfKinds[word.Text]
		}
		end := strings.IndexAny(after, " \t\r\n{,;")
		if end < 0 {
			end = len(after)
		}
		parts := strings.Split(strings.Trim(after[:end], "/"), "/")
		p.Error(p.Source.Span(word.From, len(word.Text)+end), "the parts of a probe are separated by colons", kind.String()+":"+strings.Join(parts, ":"))
	case isKind:
		p.Error(word, fmt.Sprintf("a name is missing behind %s", word.Text), kindForm(kind))
	case slices.ContainsFunc([]string{"pid", "tid", "comm", "cpu", "uid"}, func(n string) bool { return n == word.Text }):
		p.Error(word, fmt.Sprintf("%s is part of a filter, which follows a probe", word.Text), fmt.Sprintf("syscall:* /%s == .../", word.Text))
	default:
		hints := []string{fmt.Sprintf("a system call is syscall:%[1]s, a kernel function kcall:%[1]s; to see what there is: probetape probes '*%[1]s*'", word.Text)}
		if near := expr.Nearest(word.Text, kindNames()); len(near) > 0 {
			hints = append(expr.DidYouMean(near), hints...)
		}
		p.Error(word, fmt.Sprintf("%s has no kind before it", word.Text), hints...)
	}
	return false
}

// libbpfKinds are the section names of libbpf that are not our kinds' names.
var libbpfKinds = map[string]schemas.ProbeKind{
	"tp": schemas.KindTracepoint, "raw_tp": schemas.KindRawTracepoint, "raw_tracepoint": schemas.KindRawTracepoint, "tp_btf": schemas.KindRawTracepoint,
	"ksyscall": schemas.KindSyscall, "kretsyscall": schemas.KindSyscall,
}

// otherKinds are kinds of other tools, and what to do instead.
var otherKinds = map[string]string{
	"kfunc": "it is called fentry here", "kretfunc": "it is called fexit here", "raw_tracepoint": "it is called rawtracepoint here", "tp_btf": "it is called rawtracepoint here",
	"tp": "it is called tracepoint here", "raw_tp": "it is called rawtracepoint here", "ksyscall": "it is called syscall here, and is a call with its return",
	"kretsyscall": "syscall records the entry and the return as one call",
	"profile":     "there are no timed samples; perf record has them", "interval": "nothing runs at intervals: analyze makes them from what was recorded",
	"hardware": "there are no counters of the processor; perf stat has them", "h": "there are no counters of the processor; perf stat has them",
	"software": "there are no software events; tracepoints have most of them, such as tracepoint:exceptions:page_fault_user",
	"s":        "there are no software events; tracepoints have most of them, such as tracepoint:exceptions:page_fault_user",
	"p":        "kprobe is a kernel function's entry", "r": "kretprobe is a kernel function's return", "fault": "page faults are tracepoint:exceptions:page_fault_user",
	"watchpoint": "there are no watchpoints", "iter": "there are no iterators", "lsm": "a security hook is a kernel function: kcall:security_file_open",
	"BEGIN": "nothing runs before a recording", "END": "nothing runs after a recording", "self": "nothing runs by itself",
}

// filterWords are built-ins that people write like a kind.
var filterWords = map[string]bool{"pid": true, "tid": true, "comm": true, "cpu": true, "uid": true, "gid": true, "cgroup": true}

// unknownKind reports a kind that is none. The probe is returned, marked bad, with what follows it parsed where that can be.
func (p *parser) unknownKind(probe *Probe) (*Probe, bool) {
	word := probe.KindAt
	w := words{src: p.Source, pos: word.To}
	w.skip(1)
	behind := w.take(pathEnds + "/").Text
	for w.next() == ':' {
		w.skip(1)
		behind += ":" + w.take(nameEnds).Text
	}
	probe.To = w.pos
	probe.Text = p.Source.Text[probe.From.Offset:probe.To.Offset]
	message, hints := unknownKindWords(word.Text, behind)
	p.Error(word, message, hints...)
	p.Seek(w.pos)
	return probe, true
}

func unknownKindWords(word, behind string) (string, []string) {
	message := fmt.Sprintf("there is no probe kind %s", word)
	if hint, ok := otherKinds[word]; ok {
		return message, []string{hint}
	}
	if filterWords[word] {
		value := behind
		if word == "comm" {
			value = expr.Quote(behind)
		}
		return fmt.Sprintf("%s is part of a filter, which follows a probe", word), []string{fmt.Sprintf("kind:name /%s == %s/", word, value)}
	}
	near := expr.Nearest(word, kindNames())
	if len(near) > 0 {
		return message, expr.DidYouMean(near)
	}
	if behind != "" && !strings.Contains(behind, ":") {
		return message, []string{fmt.Sprintf("a tracepoint is written tracepoint:%s:%s", word, behind), "the kinds are " + strings.Join(kindNames(), ", ")}
	}
	return message, []string{"the kinds are " + strings.Join(kindNames(), ", ")}
}

// kindNames are the names of all kinds.
func kindNames() []string {
	var names []string
	for _, k := range schemas.Kinds() {
		names = append(names, k.String())
	}
	return names
}

// dtraceHint says how a probe with empty parts is written here: DTrace's are provider:module:function:name.
func (w *words) dtraceHint(kind schemas.ProbeKind) []string {
	rest := w.rest()
	if end := strings.IndexAny(rest, " \t\r\n{"); end >= 0 {
		rest = rest[:end]
	}
	parts := strings.FieldsFunc(rest, func(r rune) bool { return r == ':' })
	var names []string
	for _, part := range parts {
		if part != "entry" && part != "return" {
			names = append(names, part)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if kind == schemas.KindSyscall {
		return []string{fmt.Sprintf("DTrace's syscall::%s:entry and :return are one call here: syscall:%[1]s", names[0])}
	}
	return []string{fmt.Sprintf("%s:%s", kind, strings.Join(names, ":"))}
}

// actions are what other tools do in a probe's block.
var actions = map[string]string{
	"printf": "fields are stored, and printed later: probetape analyze events CAPTURE", "print": "fields are stored, and printed later: probetape analyze events CAPTURE",
	"cat": "files are not read by probes", "system": "nothing is run by probes", "exit": "record ends by -d, --max-size or a signal", "join": "str(arg0) reads one text",
	"time": "every row has its time", "strftime": "every row has its time", "delete": "there are no maps", "clear": "there are no maps", "zero": "there are no maps",
	"trace": "fields are stored, and printed later: probetape analyze events CAPTURE", "stack": "kstack and ustack are fields: { kstack }", "ntop": "addresses are read as numbers or buf(p, 16)",
	"usym": "addresses are shown by their symbols by themselves", "ksym": "addresses are shown by their symbols by themselves", "sym": "addresses are shown by their symbols by themselves",
	"count": "rows are counted later: probetape analyze counts --by comm CAPTURE", "hist": "durations are summed up later: probetape analyze latency CAPTURE",
	"lhist": "durations are summed up later: probetape analyze latency CAPTURE",
}

// notField reports what is a statement of other languages where a field is expected. done says that it did; ok that the rest of the block can be
// skipped by its end.
func (p *parser) notField() (done, ok bool) {
	t, next := p.Token, p.Peek()
	switch {
	case t.Is("@"):
		hint := "rows are counted later: probetape analyze counts --by comm CAPTURE"
		line, _, _ := strings.Cut(p.Source.Text[t.From.Offset:], "\n")
		if strings.Contains(line, "hist(") || strings.Contains(line, "avg(") || strings.Contains(line, "sum(") || strings.Contains(line, "stats(") {
			hint = "durations are summed up later: probetape analyze latency CAPTURE"
		}
		p.Error(t, "there are no maps: events are stored as they are", hint)
	case t.Is("$"):
		p.Error(t, "there are no variables", "write the expression where its value is used: { name = expression }")
	case t.Kind == expr.TokenName && next.Is("(") && actions[t.Text] != "":
		p.Error(t, fmt.Sprintf("%s is no field: a probe stores values and does nothing else", t.Text), actions[t.Text])
	case t.IsName("if") || t.IsName("while") || t.IsName("for") || t.IsName("unroll") || t.IsName("let") || t.IsName("return"):
		hint := "a condition is a filter: kind:name /condition/ { fields }"
		if t.Text != "if" {
			hint = "a block names the fields of a row: { name = expression, ... }"
		}
		p.Error(t, fmt.Sprintf("there is no %s in a block of fields", t.Text), hint)
	case t.Is(";"), t.Is(","):
		p.Error(t, "a field is missing before "+t.Text)
	default:
		return false, true
	}
	return true, true
}
