package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Flags of strace and perf that hands type by themselves. Where they mean something else here, or nothing, the error says what does.

// foreignFlags are flags that record does not have.
var foreignFlags = []struct {
	names []string
	hint  string
}{
	{[]string{"F", "freq", "c", "count"}, "every event is recorded, none is sampled; counts are a question for later: probetape analyze counts CAPTURE"},
	{[]string{"C", "summary", "w", "S"}, "counts and times are a question for later: probetape analyze counts CAPTURE, probetape analyze latency CAPTURE"},
	{[]string{"t", "tt", "ttt", "r", "T", "timestamp"}, "every event has its time, every call its duration: probetape analyze events CAPTURE; a thread is chosen there, a process here (-p)"},
	{[]string{"s", "string-limit"}, "the length goes with the field: -e 'syscall:openat { path = str(args.filename, 256) }'"},
	{[]string{"ff", "follow-forks"}, "children are followed without a flag; --no-children leaves them out"},
	{[]string{"m", "mmap-pages"}, "--buffer-size 16MiB sets the size of each CPU's buffer"},
	{[]string{"D", "delay"}, "the recording begins when all probes are in place"},
	{[]string{"q", "quiet", "v", "verbose"}, "progress is shown on a terminal only; messages go to standard error"},
}

// checkHabits refuses a flag that took the next flag for its value, which cli lets pass.
func checkHabits(c *cli.Context) error {
	for _, name := range []string{"e", "f", "k", "p"} {
		for _, value := range c.StringSlice(name) {
			if err := checkValue(name, value); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"o", "d", "cgroup", "max-size", "buffer-size", "flush", "listen"} {
		if c.IsSet(name) {
			if err := checkValue(name, c.String(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkValue(name, value string) error {
	if len(value) < 2 || value[0] != '-' {
		return nil
	}
	hint := "write " + dashed(name) + "=" + value + " where the value does begin with a dash"
	switch {
	case value == "--":
		hint = "its value is missing before --"
	case name == "f":
		hint = "-f is a file of probe text here; children are followed without a flag (--no-children leaves them out)"
	case name == "p" && strings.IndexFunc(value[1:], func(r rune) bool { return r < '0' || r > '9' }) < 0:
		hint = "process ids are numbers above 0; there are no process groups here"
	case value[1] >= '0' && value[1] <= '9':
		hint = "it is above zero"
	}
	return usagef(hint, "%s is followed by %q, not by a value", dashed(name), value)
}

// strayFlags returns a flag of record's among a command's own arguments, where nobody wrote "--" before the command. It may well be
// the command's: it is worth a word only when the command failed.
func strayFlags(flags []cli.Flag, raw, command []string) string {
	at := len(raw) - len(command)
	if len(command) == 0 || at > 0 && raw[at-1] == "--" {
		return ""
	}
	for i, arg := range command[1:] {
		if !isFlag(arg) || !hasFlag(flags, arg) {
			continue
		}
		if takesValue(flags, arg) && i+2 < len(command) {
			return arg + " " + command[i+2]
		}
		return arg
	}
	return ""
}

func hasFlag(flags []cli.Flag, arg string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return slices.ContainsFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}
