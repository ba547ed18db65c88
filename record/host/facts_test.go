package host

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
)

// fact finds one by its name.
func fact(t *testing.T, h *Host, name string) Fact {
	t.Helper()
	for _, f := range h.Facts() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no fact %q", name)
	return Fact{}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const (
	kprobePMU = "/sys/bus/event_source/devices/kprobe/type"
	uprobePMU = "/sys/bus/event_source/devices/uprobe/type"
	everyCap  = "000001ffffffffff"
)

func TestFacts(t *testing.T) {
	const (
		release   = "/proc/sys/kernel/osrelease"
		config    = "/boot/config-6.1.0-test"
		whole     = "CONFIG_KPROBES=y\nCONFIG_KPROBE_EVENTS=y\nCONFIG_PERF_EVENTS=y\nCONFIG_DEBUG_INFO_BTF=y\nCONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y\nCONFIG_FTRACE_SYSCALLS=y\n"
		noKprobes = "# CONFIG_KPROBES is not set\nCONFIG_PERF_EVENTS=y\nCONFIG_DEBUG_INFO_BTF=y\n"
	)
	status := func(caps string) map[string]string {
		return map[string]string{"/proc/self/status": "Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t" + caps + "\nCapBnd:\t0\n"}
	}
	for _, c := range []struct {
		files       map[string]string
		name        string
		state       State
		value       string // begins so
		why, remedy string // hold this
	}{
		{status(everyCap), "capabilities", Good, "all", "", ""},
		{status("000001fffeffffff"), "capabilities", Good, "all but CAP_SYS_RESOURCE", "", ""},
		{status("0000000000000000"), "capabilities", Bad, "none", "CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE", "sudo"},
		{status("000000c000080004"), "capabilities", Good, "CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_PERFMON CAP_BPF", "", ""},
		{status("0000000000200000"), "capabilities", Bad, "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE", "sudo"},
		{status("what"), "capabilities", Unknown, "reading the process's capabilities", "", ""},
		{nil, "capabilities", Unknown, "", "", ""},

		{nil, "lockdown", Good, "none", "", ""},
		{map[string]string{"/sys/kernel/security/lockdown": "[none] integrity confidentiality\n"}, "lockdown", Good, "none", "", ""},
		{map[string]string{"/sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}, "lockdown", Good, "integrity", "", ""},
		{map[string]string{"/sys/kernel/security/lockdown": "none integrity [confidentiality]\n"}, "lockdown", Bad, "confidentiality", "refused", "boot"},

		{map[string]string{"/proc/sys/kernel/perf_event_paranoid": "2\n"}, "kernel.perf_event_paranoid", Good, "2", "", ""},
		{map[string]string{"/proc/sys/kernel/perf_event_paranoid": "4\n"}, "kernel.perf_event_paranoid", Limited, "4", "CAP_PERFMON", ""},
		{map[string]string{"/proc/sys/kernel/perf_event_paranoid": "x\n"}, "kernel.perf_event_paranoid", Unknown, "value", "", ""},
		{nil, "kernel.perf_event_paranoid", Good, "this kernel has no such setting", "", ""},
		{map[string]string{"/proc/sys/kernel/kptr_restrict": "1\n"}, "kernel.kptr_restrict", Limited, "1", "CAP_SYSLOG", "sysctl"},
		{map[string]string{"/proc/sys/net/core/bpf_jit_enable": "0\n"}, "net.core.bpf_jit_enable", Limited, "0", "interpreted", "sysctl"},
		{map[string]string{"/proc/sys/net/core/bpf_jit_enable": "1\n"}, "net.core.bpf_jit_enable", Good, "1", "", ""},

		{nil, "types of the kernel (BTF)", Bad, "none", "named arguments", "CONFIG_DEBUG_INFO_BTF"},
		{map[string]string{"/sys/kernel/btf/vmlinux": "1234"}, "types of the kernel (BTF)", Good, "/sys/kernel/btf/vmlinux, 4 bytes", "", ""},
		{map[string]string{"/sys/kernel/btf/vmlinux": "", "/sys/kernel/btf/a": "", "/proc/modules": "a 1 0 - Live 0x0\n"}, "types of modules (BTF)", Good, "of 1 of 1", "", ""},
		{map[string]string{"/sys/kernel/btf/vmlinux": "", "/proc/modules": "a 1 0 - Live 0x0\n"}, "types of modules (BTF)", Limited, "of 0 of 1", "other modules", ""},

		{nil, "tracefs", Limited, "not mounted", "tracepoints", "mount -t tracefs"},
		{map[string]string{"/sys/kernel/debug/tracing/events/a/b/format": ""}, "tracefs", Good, "", "", ""},
		{map[string]string{"/sys/kernel/tracing/events/syscalls/sys_enter_read/format": ""}, "tracepoints of system calls", Good, "yes", "", ""},
		{nil, "tracepoints of system calls", Unknown, "the kernel's configuration", "", ""},
		{map[string]string{release: "6.1.0-test", config: noKprobes}, "tracepoints of system calls", Limited, "the kernel is built without CONFIG_FTRACE_SYSCALLS", "syscall:... is", ""},

		{map[string]string{kprobePMU: "6"}, "kprobes", Good, "yes", "", ""},
		{map[string]string{kprobePMU: "6", "/sys/kernel/debug/kprobes/enabled": "0\n"}, "kprobes", Bad, "switched off", "no kprobe fires", "echo 1"},
		{map[string]string{release: "6.1.0-test", config: noKprobes}, "kprobes", Bad, "the kernel is built without CONFIG_KPROBES", "kcall", "CONFIG_KPROBES"},
		{map[string]string{release: "6.1.0-test", "/proc/config.gz": zipped(t, noKprobes)}, "kprobes", Bad, "the kernel is built without CONFIG_KPROBES", "kcall", "CONFIG_KPROBES"},
		{nil, "kprobes", Bad, "/sys/bus/event_source/devices/kprobe is not there", "kcall", ""},

		{map[string]string{release: "6.1.0-test", config: whole}, "fentry", Good, "the kernel is built", "", ""},
		{map[string]string{release: "6.1.0-test", config: whole, "/proc/sys/kernel/ftrace_enabled": "0\n"}, "fentry", Bad, "kernel.ftrace_enabled", "do not fire", "sysctl"},
		{map[string]string{release: "6.1.0-test", "/lib/modules/6.1.0-test/config": noKprobes}, "fentry", Bad, "the kernel is built without CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", "fexit", ""},
		{nil, "fentry", Unknown, "the kernel's configuration", "", ""},

		{map[string]string{uprobePMU: "7", "/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset": "config:32-63"}, "uprobes", Good, "yes", "", ""},
		{map[string]string{uprobePMU: "7"}, "uprobes", Limited, "without reference counters", "semaphore", ""},
		{nil, "uprobes", Bad, "/sys/bus/event_source/devices/uprobe is not there", "usdt", "CONFIG_UPROBE_EVENTS"},

		{map[string]string{"/proc/kallsyms": "0000000000000000 A x\nffffffff81000000 T _stext\n"}, "kernel symbols", Good, "names and addresses", "", ""},
		{map[string]string{"/proc/kallsyms": "0000000000000000 A x\n0000000000000000 T _stext\n"}, "kernel symbols", Limited, "names without", "numbers", "kptr_restrict"},
		{nil, "kernel symbols", Unknown, "", "", ""},

		{map[string]string{"/sys/kernel/tracing/events/x": "", "/sys/kernel/tracing/available_filter_functions": "vfs_read\n"}, "list of functions that ftrace knows", Good, "readable", "", ""},
		{map[string]string{"/sys/kernel/tracing/events/x": ""}, "list of functions that ftrace knows", Limited, "none", "attached", "CONFIG_DYNAMIC_FTRACE"},
		{map[string]string{"/sys/kernel/debug/kprobes/blacklist": ""}, "list of functions that kprobes refuse", Good, "readable", "", ""},
		{nil, "list of functions that kprobes refuse", Limited, "not there", "attached", "mount -t debugfs"},
	} {
		f := fact(t, tree(t, c.files), c.name)
		if f.State != c.state || !strings.HasPrefix(f.Value, c.value) || !strings.Contains(f.Why, c.why) || !strings.Contains(f.Remedy, c.remedy) ||
			c.why == "" && f.Why != "" && f.State == Good {
			t.Errorf("%s with %v: %+v", c.name, c.files, f)
		}
	}
}
