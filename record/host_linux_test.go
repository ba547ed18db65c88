package record

import (
	"testing"

	"probetape/record/attach"
	"probetape/schemas"
)

func TestPrettyName(t *testing.T) {
	for text, want := range map[string]string{
		"NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n": "Debian GNU/Linux 12 (bookworm)",
		"PRETTY_NAME='Alpine'":   "Alpine",
		"PRETTY_NAME=Plain\nX=1": "Plain",
		"NAME=only":              "",
	} {
		if got := prettyName(text); got != want {
			t.Errorf("prettyName(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDescribeHost(t *testing.T) {
	h, err := describeHost()
	if err != nil {
		t.Fatal(err)
	}
	if h.Name == "" || h.Kernel == "" || h.Machine == "" || h.CPUs < 1 || h.PageSize < 4096 || h.ByteOrder != "little" {
		t.Errorf("host = %+v", h)
	}
}

func TestCostOf(t *testing.T) {
	c, err := costOf(func() (attach.Stats, error) { return attach.Stats{Runs: -1}, nil })
	if err != nil || c.UserNS+c.SystemNS <= 0 || c.MaxRSS < 1<<20 || c.ProgramNS != -1 || c.Note == "" {
		t.Errorf("cost = %+v, %v", c, err)
	}
	if c, err = costOf(func() (attach.Stats, error) { return attach.Stats{Runs: 3, RunTime: 7}, nil }); err != nil || c.ProgramNS != 7 || c.Note != "" {
		t.Errorf("cost = %+v, %v", c, err)
	}
}

func TestClockSample(t *testing.T) {
	var last schemas.ClockSample
	for range 3 {
		s, err := hostClock{}.Sample()
		if err != nil || s.Boot <= last.Boot || s.Mono <= last.Mono || s.Real < 1e18 || s.Uncertainty < 0 || s.Uncertainty > 1e7 {
			t.Errorf("sample = %+v, %v", s, err)
		}
		last = s
	}
}
