package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// badFlag turns cli's complaints about flags into usageErrors that say what was meant. args is the command line as it was typed.
func badFlag(args []string) cli.OnUsageErrorFunc {
	return func(c *cli.Context, err error, _ bool) error {
		help, flags, command := c.App.Name, c.App.Flags, ""
		if c.Command != nil && c.Command.Name != "" && c.Command.Name != c.App.Name {
			help, flags, command = c.Command.HelpName, c.Command.Flags, c.Command.Name
		}
		help += " --help"
		if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
			name = strings.TrimLeft(name, "-")
			return &usageError{msg: fmt.Sprintf("unknown flag %q", typed(args, name)), hints: []string{flagHint(command, name, flags, help)}, err: err}
		}
		if name, ok := strings.CutPrefix(err.Error(), "flag needs an argument: -"); ok {
			name = strings.TrimLeft(name, "-")
			return &usageError{msg: fmt.Sprintf("flag %s needs a value", dashed(name)), hints: []string{help + " shows its form"}, err: err}
		}
		// Numbers are the only values that cli itself reads.
		if m := badNumber.FindStringSubmatch(err.Error()); m != nil {
			return usagef(help+" shows its form", "%s: %s is not a number", dashed(m[2]), m[1])
		}
		return &usageError{msg: err.Error(), hints: []string{help + " lists the flags"}, err: err}
	}
}

var badNumber = regexp.MustCompile(`^invalid value (".*") for flag -([a-z-]+): `)

// typed returns a flag as it stands in the command line.
func typed(args []string, name string) string {
	for _, arg := range args {
		if word, _, _ := strings.Cut(arg, "="); isFlag(arg) && strings.TrimLeft(word, "-") == name {
			return word
		}
	}
	return dashed(name)
}

// flagHint says which flag was meant.
func flagHint(command, name string, flags []cli.Flag, help string) string {
	if command == recordName {
		if hint := foreignFlag(name); hint != "" {
			return hint
		}
	}
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	near := nearest(name, names)
	// -p42 and -ofile, as getopt takes them.
	if letter := name[:1]; len(name) > 1 && slices.Contains(names, letter) && (near == "" || strings.ContainsAny(name, "0123456789/.,")) {
		return fmt.Sprintf("a flag and its value are two words: -%s %s", letter, name[1:])
	}
	if near != "" {
		return fmt.Sprintf("did you mean %s?", dashed(near))
	}
	return help + " lists the flags"
}

// foreignFlag returns what to type here in place of a flag of strace's or perf's, empty for others.
func foreignFlag(name string) string {
	for _, f := range foreignFlags {
		if slices.Contains(f.names, name) {
			return f.hint
		}
	}
	return ""
}
