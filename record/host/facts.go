package host

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"probetape/record/host/kallsyms"
)

// State is how a fact bears on recording.
type State string

// The states.
const (
	Good    State = "good"    // nothing in the way
	Limited State = "limited" // something will be missing
	Bad     State = "bad"     // a kind of probe, or recording at all, is not possible
	Unknown State = "unknown" // it could not be looked at
)

// Fact is one thing about the host that decides what can be recorded, read from files: nothing is tried out.
type Fact struct {
	Name   string `json:"name"`             // "kernel.perf_event_paranoid", "tracefs"
	State  State  `json:"state"`            //
	Value  string `json:"value"`            // what was found
	Why    string `json:"why,omitempty"`    // what it means; empty where State is Good
	Remedy string `json:"remedy,omitempty"` // what to do about it
}

// Facts reads them all, in the order to show them.
func (h *Host) Facts() []Fact {
	config := h.kernelConfig()
	facts := []Fact{
		{Name: "kernel", State: Good, Value: h.release},
		h.capabilityFact(),
		h.lockdownFact(),
		h.number("kernel.perf_event_paranoid", 2, "only processes with CAP_PERFMON may attach probes", ""),
		h.number("kernel.unprivileged_bpf_disabled", 2, "only processes with CAP_BPF may load programs", ""),
		h.number("kernel.kptr_restrict", 0, "addresses of kernel functions are hidden from processes without CAP_SYSLOG", "sysctl kernel.kptr_restrict=0"),
		h.jitFact(),
		h.typesFact(),
		h.moduleTypesFact(),
		h.tracefsFact(),
		h.syscallsFact(config),
		h.kprobesFact(config),
		h.fentryFact(config),
		h.uprobesFact(),
		h.symbolsFact(),
		h.functionListFact(),
		h.blacklistFact(),
	}
	return facts
}

// kernelConfig is the options the kernel was built with; nil: they are nowhere to read.
func (h *Host) kernelConfig() map[string]string {
	if f, err := os.Open(h.at("/proc/config.gz")); err == nil {
		defer f.Close()
		if z, err := gzip.NewReader(f); err == nil {
			if text, err := io.ReadAll(io.LimitReader(z, maxConfig)); err == nil {
				return parseConfig(string(text))
			}
		}
	}
	for _, name := range []string{"/boot/config-", "/lib/modules/"} {
		path := name + h.release
		if name == "/lib/modules/" {
			path += "/config"
		}
		if text, err := os.ReadFile(h.at(path)); err == nil {
			return parseConfig(string(text))
		}
	}
	return nil
}

// maxConfig is more than any kernel configuration has (300 KiB).
const maxConfig = 8 << 20

func parseConfig(text string) map[string]string {
	config := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, "CONFIG_") {
			config[name] = value
		}
	}
	return config
}

// unread is a fact that could not be looked at.
func unread(name string, err error) Fact {
	f := Fact{Name: name, State: Unknown, Value: bare(err).Error()}
	if errors.Is(err, fs.ErrPermission) {
		f.Remedy = "run it as root"
	}
	return f
}

// capabilityNames are Linux's, by number; see capabilities(7).
var capabilityNames = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
	"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
	"PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// Capabilities returns the names of the capabilities that this process can use, and of those that it cannot.
func (h *Host) Capabilities() (has, lacks []string, err error) {
	text, err := os.ReadFile(h.at("/proc/self/status"))
	if err != nil {
		return nil, nil, err
	}
	for line := range strings.Lines(string(text)) {
		value, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the process's capabilities: %w", err)
		}
		for n, name := range capabilityNames {
			if set>>n&1 != 0 {
				has = append(has, "CAP_"+name)
			} else {
				lacks = append(lacks, "CAP_"+name)
			}
		}
		return has, lacks, nil
	}
	return nil, nil, errors.New("reading the process's capabilities: there is no line CapEff")
}

func (h *Host) capabilityFact() Fact {
	const name = "capabilities"
	names, lacks, err := h.Capabilities()
	if err != nil {
		return unread(name, err)
	}
	f := Fact{Name: name, State: Good, Value: strings.Join(names, " ")}
	switch {
	case len(lacks) == 0:
		f.Value = "all"
	case len(names) == 0:
		f.Value = "none"
	case len(lacks) < len(names):
		f.Value = "all but " + strings.Join(lacks, " ")
	}
	has := func(c string) bool { return slices.Contains(names, c) }
	var missing []string
	for _, c := range []string{"CAP_BPF", "CAP_PERFMON"} {
		if !has(c) && !has("CAP_SYS_ADMIN") {
			missing = append(missing, c)
		}
	}
	if !has("CAP_DAC_READ_SEARCH") && !has("CAP_DAC_OVERRIDE") {
		missing = append(missing, "CAP_DAC_READ_SEARCH")
	}
	if !has("CAP_SYS_PTRACE") {
		missing = append(missing, "CAP_SYS_PTRACE")
	}
	if len(missing) > 0 {
		f.State, f.Why, f.Remedy = Bad, "recording needs "+strings.Join(missing, ", "), "run it with sudo"
	}
	return f
}

func (h *Host) lockdownFact() Fact {
	const name = "lockdown"
	text, err := h.readText("/sys/kernel/security/lockdown")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fact{Name: name, State: Good, Value: "none: the kernel has no lockdown, or securityfs is not mounted"}
	case err != nil:
		return unread(name, err)
	}
	_, mode, _ := strings.Cut(text, "[")
	mode, _, _ = strings.Cut(mode, "]")
	f := Fact{Name: name, State: Good, Value: mode}
	switch mode {
	case "integrity":
		f.Value += ": it forbids nothing that recording does"
	case "confidentiality":
		f.State = Bad
		f.Why = "kprobes, tracefs and reading kernel memory are refused to everybody"
		f.Remedy = "boot without lockdown=confidentiality (Secure Boot sets integrity only)"
	}
	return f
}

// number reads a sysctl. Values up to most mean nothing is hidden from a process with the right capability; why says what a value above 0 means.
func (h *Host) number(name string, most int, why, remedy string) Fact {
	text, err := h.readText("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return Fact{Name: name, State: Good, Value: "this kernel has no such setting"}
	}
	if err != nil {
		return unread(name, err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return unread(name, fmt.Errorf("value %q is no number", text))
	}
	f := Fact{Name: name, State: Good, Value: text}
	if n > most {
		f.State, f.Why, f.Remedy = Limited, why, remedy
	}
	return f
}

func (h *Host) jitFact() Fact {
	f := h.number("net.core.bpf_jit_enable", 2, "", "")
	if f.Value == "0" {
		f.State, f.Why, f.Remedy = Limited, "programs are interpreted: each event costs several times as much", "sysctl net.core.bpf_jit_enable=1"
	}
	return f
}

func (h *Host) typesFact() Fact {
	const name = "types of the kernel (BTF)"
	info, err := os.Stat(h.at(btfDir + "/vmlinux"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fact{
			Name: name, State: Bad, Value: "none", Why: "kernel functions have no named arguments, and task events cannot be read",
			Remedy: "use a kernel that is built with CONFIG_DEBUG_INFO_BTF",
		}
	case err != nil:
		return unread(name, err)
	}
	return Fact{Name: name, State: Good, Value: fmt.Sprintf("%s/vmlinux, %d bytes", btfDir, info.Size())}
}

func (h *Host) moduleTypesFact() Fact {
	const name = "types of modules (BTF)"
	entries, err := os.ReadDir(h.at(btfDir))
	if errors.Is(err, fs.ErrNotExist) {
		return Fact{Name: name, State: Limited, Value: "none", Why: "functions of modules have no named arguments"}
	}
	if err != nil {
		return unread(name, err)
	}
	modules, err := h.Modules()
	if err != nil {
		return unread(name, err)
	}
	loaded, described := 0, 0
	for _, m := range modules {
		if !m.Loaded {
			continue
		}
		loaded++
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == m.Name }) {
			described++
		}
	}
	f := Fact{Name: name, State: Good, Value: fmt.Sprintf("of %d of %d loaded modules", described, loaded)}
	if described < loaded {
		f.State, f.Why = Limited, "functions of the other modules have no named arguments"
	}
	return f
}

func (h *Host) tracefsFact() Fact {
	const name = "tracefs"
	f, err := h.tracefs()
	if errors.Is(err, fs.ErrNotExist) {
		return Fact{
			Name: name, State: Limited, Value: "not mounted", Why: "tracepoints are not known",
			Remedy: "mount -t tracefs tracefs /sys/kernel/tracing (record does it by itself)",
		}
	}
	if err != nil {
		return unread(name, err)
	}
	events, err := f.Events()
	if err != nil {
		return unread(name, err)
	}
	return Fact{Name: name, State: Good, Value: fmt.Sprintf("%s, %d tracepoints", f.Root, len(events))}
}

// option makes a fact of an option that the kernel was built with or without.
func option(f Fact, config map[string]string, names ...string) Fact {
	for _, name := range names {
		if config != nil && config[name] == "" {
			f.State, f.Value, f.Remedy = Bad, "the kernel is built without "+name, "use a kernel that is built with "+name
			return f
		}
	}
	return f
}

func (h *Host) syscallsFact(config map[string]string) Fact {
	f := Fact{Name: "tracepoints of system calls", State: Good, Value: "yes", Why: "tracepoint:syscalls:... is not there; syscall:... is"}
	f = option(f, config, "CONFIG_FTRACE_SYSCALLS")
	if f.State == Good {
		f.Why = ""
		if config == nil {
			f.State, f.Value = Unknown, "the kernel's configuration is not readable"
		}
		if t, err := h.tracefs(); err == nil {
			if _, err := os.Stat(t.Root + "/events/syscalls"); err == nil {
				f.State, f.Value = Good, "yes"
			}
		}
	} else {
		f.State = Limited
	}
	return f
}

func (h *Host) kprobesFact(config map[string]string) Fact {
	const pmu = "/sys/bus/event_source/devices/kprobe"
	f := Fact{Name: "kprobes", State: Good, Value: "yes"}
	if _, err := os.Stat(h.at(pmu)); err != nil {
		f.State, f.Value = Bad, pmu+" is not there"
		f = option(f, config, "CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS", "CONFIG_PERF_EVENTS")
		f.Why = "kprobe, kretprobe and, where there is no fentry, kcall are not possible"
		return f
	}
	if on, err := h.readText("/sys/kernel/debug/kprobes/enabled"); err == nil && on == "0" {
		f.State, f.Value = Bad, "switched off"
		f.Why, f.Remedy = "no kprobe fires", "echo 1 > /sys/kernel/debug/kprobes/enabled"
	}
	return f
}

func (h *Host) fentryFact(config map[string]string) Fact {
	f := Fact{Name: "fentry", State: Good, Value: "the kernel is built with what it needs"}
	if config == nil {
		f.State, f.Value = Unknown, "the kernel's configuration is not readable"
		return f
	}
	f = option(f, config, "CONFIG_DEBUG_INFO_BTF", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", "CONFIG_KPROBES")
	if f.State != Good {
		f.Why = "fentry and fexit are not possible"
		return f
	}
	if on, err := h.readText("/proc/sys/kernel/ftrace_enabled"); err == nil && on == "0" {
		f.State, f.Value = Bad, "kernel.ftrace_enabled is 0"
		f.Why, f.Remedy = "fentry, fexit and kprobe.multi do not fire", "sysctl kernel.ftrace_enabled=1"
	}
	return f
}

func (h *Host) uprobesFact() Fact {
	const pmu = "/sys/bus/event_source/devices/uprobe"
	f := Fact{Name: "uprobes", State: Good, Value: "yes"}
	if _, err := os.Stat(h.at(pmu)); err != nil {
		f.State, f.Value = Bad, pmu+" is not there"
		f.Why, f.Remedy = "uprobe, uretprobe, ucall and usdt are not possible", "use a kernel that is built with CONFIG_UPROBE_EVENTS"
		return f
	}
	if _, err := os.Stat(h.at(pmu + "/format/ref_ctr_offset")); err != nil {
		f.State, f.Value = Limited, "without reference counters (Linux 4.20)"
		f.Why = "usdt probes with a semaphore do not fire"
	}
	return f
}

func (h *Host) symbolsFact() Fact {
	const name = "kernel symbols"
	f, err := os.Open(h.at("/proc/kallsyms"))
	if err != nil {
		return unread(name, err)
	}
	defer f.Close()
	// Whether addresses are hidden is the same for all lines; the first ones may be per-CPU symbols, whose addresses are small.
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return unread(name, err)
	}
	text := string(head[:n])
	shown := false
	text = text[:strings.LastIndexByte(text, '\n')+1]
	if err := kallsyms.Each(text, func(s kallsyms.Symbol) bool { shown = s.Address != 0; return !shown }); err != nil {
		return unread(name, err)
	}
	if !shown {
		return Fact{
			Name: name, State: Limited, Value: "names without addresses",
			Why: "stacks and pointers of the kernel stay numbers", Remedy: "run it as root, with sysctl kernel.kptr_restrict below 2",
		}
	}
	return Fact{Name: name, State: Good, Value: "names and addresses"}
}

func (h *Host) functionListFact() Fact {
	const name = "list of functions that ftrace knows"
	t, err := h.tracefs()
	if err != nil {
		return unread(name, err)
	}
	f, err := os.Open(t.Root + "/available_filter_functions")
	if errors.Is(err, fs.ErrNotExist) {
		return Fact{
			Name: name, State: Limited, Value: "none", Why: "whether a function can be traced shows only when it is attached",
			Remedy: "use a kernel that is built with CONFIG_DYNAMIC_FTRACE",
		}
	}
	if err == nil {
		_, err = f.Read(make([]byte, 1))
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fact := unread(name, err)
		fact.Why = "whether a function can be traced shows only when it is attached"
		return fact
	}
	return Fact{Name: name, State: Good, Value: "readable"}
}

func (h *Host) blacklistFact() Fact {
	const name, path = "list of functions that kprobes refuse", "/sys/kernel/debug/kprobes/blacklist"
	_, err := os.Stat(h.at(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fact{
			Name: name, State: Limited, Value: "not there", Why: "that a function refuses kprobes shows only when it is attached",
			Remedy: "mount -t debugfs debugfs /sys/kernel/debug",
		}
	case err != nil:
		return unread(name, err)
	}
	return Fact{Name: name, State: Good, Value: "readable"}
}
