package main

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"4096": 4096, "1k": 1024, "1K": 1024, "64MiB": 64 << 20, "64 MiB": 64 << 20, "1.5G": 3 << 29, "1GB": 1e9, "10kB": 1e4, "7b": 7,
	} {
		if got, err := parseSize("--max-size", text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "0", "1XB", "1e99G", "NaN", "inf", "0.1", "MiB"} {
		wantUsage(t, "parseSize "+text, second(parseSize("--max-size", text)))
	}
}

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"60s": time.Minute, "1m30s": 90 * time.Second, " 500ms ": 500 * time.Millisecond} {
		if got, err := parseSpan("-d", text); err != nil || got != want {
			t.Errorf("parseSpan(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "60", "-1s", "0s", "1 s", "soon", "1d"} {
		wantUsage(t, "parseSpan "+text, second(parseSpan("-d", text)))
	}
}

func TestParsePIDs(t *testing.T) {
	got, err := parsePIDs([]string{"1,2", "3 4", "2", "\n5,"})
	if err != nil || !slices.Equal(got, []uint32{1, 2, 3, 4, 5}) {
		t.Errorf("parsePIDs = %v, %v; want 1 to 5, each once", got, err)
	}
	for _, text := range []string{"", ",", "0", "-1", "nginx", "1;2", "99999999999", "1.5"} {
		wantUsage(t, "parsePIDs "+text, second(parsePIDs([]string{text})))
	}
}

func second[T any](_ T, err error) error { return err }

// wantUsage holds an error to what every wrong use must give: status 2, one line, and what to do next.
func wantUsage(t *testing.T, what string, err error) {
	t.Helper()
	var usage *usageError
	if !errors.As(err, &usage) || exitStatus(err) != statusUsage {
		t.Errorf("%s: %v; want a usage error", what, err)
		return
	}
	if len(usage.Hints()) == 0 || usage.Error() == "" {
		t.Errorf("%s: %q does not say what to do next", what, err)
	}
}

func TestWords(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := countWords(n); got != want {
			t.Errorf("countWords(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 1 << 30: "1.0 GiB"} {
		if got := sizeWords(n); got != want {
			t.Errorf("sizeWords(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"record", "probes", "kits", "version", "analyze"}
	for name, want := range map[string]string{"recrod": "record", "analyse": "analyze", "probe": "probes", "kit": "kits", "frobnicate": "", "x": ""} {
		if got := nearest(name, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}
