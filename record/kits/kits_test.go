package kits

import (
	"strings"
	"testing"
)

func TestEveryKitExplainsItself(t *testing.T) {
	all := All()
	if len(all) == 0 {
		t.Fatal("no kits")
	}
	found := false
	for _, k := range all {
		found = found || k.Name == Default
		if k.Summary == "" || strings.HasPrefix(k.Summary, "#") || !strings.HasPrefix(k.Text, "# "+k.Summary) {
			t.Errorf("kit %s: its first line must say what it records; it is %q", k.Name, k.Summary)
		}
		if again, ok := Find(k.Name); !ok || again != k {
			t.Errorf("Find(%q) = %+v, %v", k.Name, again, ok)
		}
		for n, line := range strings.Split(k.Text, "\n") {
			if len(line) > 140 {
				t.Errorf("kit %s, line %d is %d columns wide: it is printed to be read", k.Name, n+1, len(line))
			}
		}
	}
	if !found {
		t.Errorf("the default kit %q is missing", Default)
	}
	if _, ok := Find("no such kit"); ok {
		t.Error("Find finds a kit that is not there")
	}
}
