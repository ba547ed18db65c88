package testresult

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Where says on what a run took place: it decides which skips are justified.
type Where struct {
	Release string          // the kernel's, as `uname -r` prints it
	Config  map[string]bool // options that the kernel was built with ("CONFIG_KPROBES")
	Root    bool
	// Guest is a virtual machine of the kernel matrix: it holds the tests and a shell, and no distribution.
	Guest bool
}

// feature is something that a kernel may lack: it is too old, or was built without it. Both are asked of the kernel itself, since
// distributions switch features off (Debian's 6.1 has no fprobe).
type feature struct {
	name    string
	major   int
	minor   int
	options []string
}

// features are all kernel features whose lack justifies a skip; a test names one by a text that begins with "needs NAME".
var features = [...]feature{
	{name: "kprobe", options: []string{"CONFIG_KPROBES"}},
	{name: "kretprobe", options: []string{"CONFIG_KPROBES"}},
	// Without kprobes 6.18 answers EPERM to every fentry program, its other needs being met.
	{"fentry", 5, 5, []string{"CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", "CONFIG_KPROBES"}},
	{"kprobe.multi", 5, 18, []string{"CONFIG_FPROBE"}},
	{"kprobe.session", 6, 10, []string{"CONFIG_FPROBE"}},
	{"uprobe.multi", 6, 6, []string{"CONFIG_UPROBES"}},
	{"attach-cookie", 5, 15, nil},
	{"fentry-cookie", 5, 19, nil},
	{"cmpxchg", 5, 12, nil},
	{"bpf_loop", 5, 17, nil},
	{"task-regs", 5, 15, nil},
	{"module", 0, 0, []string{"CONFIG_MODULES"}},
	{"ia32", 0, 0, []string{"CONFIG_IA32_EMULATION"}},
}

var (
	needs   = regexp.MustCompile(`needs (program )?([A-Za-z0-9_.+-]+)`)
	version = regexp.MustCompile(`^(\d+)\.(\d+)`)
)

// Justified reports whether a skip with this text is as it must be at this place; if not, why not.
func (w Where) Justified(text string) (bool, string) {
	m := needs.FindStringSubmatch(text)
	switch {
	case m == nil:
		return false, `its text does not say "needs FEATURE"`
	case m[1] != "":
		if w.Guest {
			return true, ""
		}
		return false, fmt.Sprintf("program %s must be installed here: scripts/install-deps.sh test", m[2])
	case m[2] == "root":
		return !w.Root, "it ran as root"
	}
	for _, f := range features {
		if f.name == m[2] {
			return w.lacks(f)
		}
	}
	return false, fmt.Sprintf("no kernel feature is known as %q", m[2])
}

func (w Where) lacks(f feature) (bool, string) {
	if w.olderThan(f.major, f.minor) {
		return true, ""
	}
	for _, option := range f.options {
		if !w.Config[option] {
			return true, ""
		}
	}
	return false, fmt.Sprintf("kernel %s has %s", w.Release, f.name)
}

func (w Where) olderThan(major, minor int) bool {
	m := version.FindStringSubmatch(w.Release)
	if m == nil {
		return false
	}
	have, errMajor := strconv.Atoi(m[1])
	haveMinor, errMinor := strconv.Atoi(m[2])
	if errMajor != nil || errMinor != nil {
		return false
	}
	return have < major || have == major && haveMinor < minor
}

// ReadConfig reads a kernel's configuration file: the options that are built in or modules.
func ReadConfig(in io.Reader) (map[string]bool, error) {
	config := map[string]bool{}
	scan := bufio.NewScanner(in)
	for scan.Scan() {
		name, value, found := strings.Cut(scan.Text(), "=")
		if found && (value == "y" || value == "m") {
			config[name] = true
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("reading kernel configuration: %w", err)
	}
	return config, nil
}

// skipText is what a skipped test gave as its reason: its last line of output that came from a source file.
func skipText(t *Test) string {
	lines := strings.Split(t.Output, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if _, text, found := strings.Cut(lines[i], ".go:"); found {
			_, text, _ = strings.Cut(text, ": ")
			return text
		}
	}
	return "(no reason given)"
}
