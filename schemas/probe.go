package schemas

import "fmt"

// ProbeKind says what a site is attached to. The names are those of libbpf and bpftrace.
type ProbeKind uint8

// The kinds. Point kinds make one event for each hit; call kinds make one event for an entry and its return.
const (
	KindNone ProbeKind = iota
	KindTracepoint
	KindRawTracepoint
	KindKprobe
	KindKretprobe
	KindFentry
	KindFexit
	KindUprobe
	KindUretprobe
	KindUSDT
	KindSyscall // call
	KindKcall   // call
	KindUcall   // call
	kindEnd
)

var kindNames = [kindEnd]string{
	KindTracepoint: "tracepoint", KindRawTracepoint: "rawtracepoint",
	KindKprobe: "kprobe", KindKretprobe: "kretprobe", KindFentry: "fentry", KindFexit: "fexit",
	KindUprobe: "uprobe", KindUretprobe: "uretprobe", KindUSDT: "usdt",
	KindSyscall: "syscall", KindKcall: "kcall", KindUcall: "ucall",
}

// bpftrace's short forms.
var kindShort = map[string]ProbeKind{
	"t": KindTracepoint, "rt": KindRawTracepoint, "k": KindKprobe, "kr": KindKretprobe,
	"f": KindFentry, "fr": KindFexit, "u": KindUprobe, "ur": KindUretprobe, "U": KindUSDT,
}

// String returns the kind's name as it is written in a probe.
func (k ProbeKind) String() string {
	if k > KindNone && k < kindEnd {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// MarshalText writes the kind's name.
func (k ProbeKind) MarshalText() ([]byte, error) {
	if k == KindNone || k >= kindEnd {
		return nil, fmt.Errorf("writing probe kind %d: not a kind", uint8(k))
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads a kind's full name.
func (k *ProbeKind) UnmarshalText(text []byte) error {
	for i := KindNone + 1; i < kindEnd; i++ {
		if kindNames[i] == string(text) {
			*k = i
			return nil
		}
	}
	return fmt.Errorf("reading probe kind: %q is not a kind", text)
}

// Call reports whether the kind pairs an entry and a return into one event.
func (k ProbeKind) Call() bool { return k == KindSyscall || k == KindKcall || k == KindUcall }

// User reports whether the kind's sites are in user programs, whose pointers are user addresses.
func (k ProbeKind) User() bool {
	return k == KindUprobe || k == KindUretprobe || k == KindUSDT || k == KindUcall
}

// ParseKind finds a kind by its name or bpftrace's short form. Names are case-sensitive: u is uprobe, U is usdt.
func ParseKind(name string) (ProbeKind, bool) {
	if k, ok := kindShort[name]; ok {
		return k, true
	}
	for i := KindNone + 1; i < kindEnd; i++ {
		if kindNames[i] == name {
			return i, true
		}
	}
	return KindNone, false
}

// Kinds returns every kind in order.
func Kinds() []ProbeKind {
	all := make([]ProbeKind, 0, kindEnd-1)
	for i := KindNone + 1; i < kindEnd; i++ {
		all = append(all, i)
	}
	return all
}

// End says how a call ended. Only a returned call has a duration.
type End uint8

// The ends. Their numbers are on the wire and on disk.
const (
	EndReturned     End = 0 // it returned; Duration holds
	EndRunning      End = 1 // still running when the recording stopped
	EndThreadExited End = 2 // its thread exited inside it (exit, exit_group, a kill)
	EndUnwound      End = 3 // left by longjmp or an exception
	EndDenied       End = 4 // refused before it began (seccomp, ptrace); the return value is known, the entry is not
	EndReturnMissed End = 5 // the kernel did not report the return
	endEnd          End = 6
)

var endNames = [endEnd]string{"returned", "running", "thread_exited", "unwound", "denied", "return_missed"}

// String returns the end's name in outputs.
func (e End) String() string {
	if e < endEnd {
		return endNames[e]
	}
	return fmt.Sprintf("end(%d)", uint8(e))
}

// EndNames returns the names of all ends, indexed by their number.
func EndNames() []string { return append([]string(nil), endNames[:]...) }
