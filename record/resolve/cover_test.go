package resolve

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestCovers holds that the probes that are proposed in place of functions are ones of a real kernel: those of the recorded host, and a few that
// others have.
func TestCovers(t *testing.T) {
	elsewhere := []string{
		"tracepoint:writeback:writeback_dirty_page", // before Linux 5.18
		"tracepoint:module:module_load",             // the recorded kernel has no modules to load
	}
	names := recordedTracepoints(t)
	for _, c := range covers {
		if len(c.functions) == 0 || len(c.by) == 0 {
			t.Errorf("%v: incomplete", c)
		}
		for _, by := range c.by {
			if name, ok := strings.CutPrefix(by, "tracepoint:"); ok && !names[name] && !slices.Contains(elsewhere, by) {
				t.Errorf("%v: there is no %s", c.functions, by)
			}
		}
	}
}

// recordedTracepoints reads the names out of a recorded host's text.
func recordedTracepoints(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open("testdata/hosts/linux-6.18.host")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := map[string]bool{}
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		words := strings.Fields(in.Text())
		switch {
		case len(words) > 1 && words[0] == "tracepoint":
			names[words[1]] = true
		case len(words) > 2 && words[0] == "tracepoints":
			for _, n := range words[2:] {
				names[words[1]+":"+n] = true
			}
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}
