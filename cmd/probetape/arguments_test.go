package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestRearrange(t *testing.T) {
	app := newApp(nil, strings.NewReader(""), io.Discard, io.Discard)
	for line, want := range map[string]string{
		"analyze x.tape":                                "analyze -- x.tape",
		"analyze x.tape --top 5":                        "analyze --top 5 -- x.tape",
		"analyze --top=5 x.tape --strict y.tape":        "analyze --top=5 --strict -- x.tape y.tape",
		"analyze counts x.tape --by a,b":                "analyze counts --by a,b -- x.tape",
		"analyze --top 5 counts x.tape":                 "analyze counts --top 5 -- x.tape",
		"analyze x.tape counts":                         "analyze -- x.tape counts",
		"analyze counts -- --top 5":                     "analyze counts -- --top 5",
		"analyze counts - --format json":                "analyze counts --format json -- -",
		"analyze x.tape --no-such 5":                    "analyze --no-such -- x.tape 5",
		"analyze x.tape --top":                          "analyze --top",
		"kits syscalls --help":                          "kits --help -- syscalls",
		"record sleep 5 -d 3":                           "record sleep 5 -d 3",
		"record -p 5 -- ls -l":                          "record -p 5 -- ls -l",
		"nonsense x -y":                                 "nonsense x -y",
		"--help":                                        "--help",
		"":                                              "",
		"analyze latency --start a c.tape --end b -- d": "analyze latency --start a --end b -- c.tape d",
	} {
		args := append([]string{"probetape"}, strings.Fields(line)...)
		before := slices.Clone(args)
		got := strings.Join(rearrange(app, args)[1:], " ")
		if got != want {
			t.Errorf("rearrange(%q) = %q, want %q", line, got, want)
		}
		if !slices.Equal(args, before) {
			t.Errorf("rearrange(%q) changed its argument to %q", line, args)
		}
	}
}

func TestStrayFlags(t *testing.T) {
	flags := recordCommand(nil).Flags
	for _, c := range []struct{ line, command, want string }{
		{"record sleep 5 -d 3", "sleep 5 -d 3", "-d 3"},
		{"record sleep 5 --max-size=1M", "sleep 5 --max-size=1M", "--max-size=1M"},
		{"record ls -a", "ls -a", "-a"},
		{"record grep -o", "grep -o", "-o"},
		{"record -- sleep 5 -d 3", "sleep 5 -d 3", ""},
		{"record -d 3s -- sleep 5 -d 3", "sleep 5 -d 3", ""},
		{"record -d 3s sleep 5", "sleep 5", ""},
		{"record sh -c ls", "sh -c ls", ""},
		{"record -a", "", ""},
	} {
		raw := append([]string{"probetape"}, strings.Fields(c.line)...)
		if got := strayFlags(flags, raw, strings.Fields(c.command)); got != c.want {
			t.Errorf("strayFlags(%q) = %q, want %q", c.line, got, c.want)
		}
	}
}
