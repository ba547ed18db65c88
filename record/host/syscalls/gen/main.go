// Command gen writes the tables of system calls, x86_64.tbl and i386.tbl.
//
// Names and numbers come from the kernel's headers (asm/unistd_64.h and asm/unistd_32.h), parameters from the formats that a running kernel has in
// tracefs (events/syscalls/sys_enter_NAME). Kernels are built without some calls: what the tables know already and this kernel does not stays. So
// it is run on several kernels, with the headers of the newest:
//
//	go run ./record/host/syscalls/gen -headers /usr/include/x86_64-linux-gnu/asm -formats /sys/kernel/tracing/events/syscalls record/host/syscalls
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"probetape/record/host/tracefs"
)

func main() {
	headers := flag.String("headers", "/usr/include/x86_64-linux-gnu/asm", "folder of unistd_64.h and unistd_32.h")
	formats := flag.String("formats", "/sys/kernel/tracing/events/syscalls", "folder of the formats")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: gen [-headers FOLDER] [-formats FOLDER] OUT")
		os.Exit(2)
	}
	if err := generate(*headers, *formats, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "generating the tables of system calls:", err)
		os.Exit(1)
	}
}

// unknown stands for parameters that are not known.
const unknown = "?"

func generate(headers, formats, out string) error {
	native, err := table(filepath.Join(headers, "unistd_64.h"), filepath.Join(out, "x86_64.tbl"))
	if err != nil {
		return err
	}
	compat, err := table(filepath.Join(headers, "unistd_32.h"), filepath.Join(out, "i386.tbl"))
	if err != nil {
		return err
	}
	for name := range native.numbers {
		params, err := described(formats, name)
		if err != nil {
			return err
		}
		// A call that gained parameters keeps those that it has on every kernel.
		if earlier := native.params[name]; params != unknown && (earlier == unknown || !strings.HasPrefix(params, earlier+", ")) {
			native.params[name] = params
		}
	}
	for name := range compat.numbers {
		compat.params[name] = compatParams(name, native)
	}
	if err := native.write(filepath.Join(out, "x86_64.tbl"), "x86_64", "unistd_64.h"); err != nil {
		return err
	}
	return compat.write(filepath.Join(out, "i386.tbl"), "i386", "unistd_32.h")
}

// calls is one ABI's table.
type calls struct {
	numbers map[string]int
	params  map[string]string // "TYPE NAME, TYPE NAME"; unknown
}

var define = regexp.MustCompile(`(?m)^#define __NR_(\w+)\s+(\d+)\s*$`)

// table reads numbers from a header, and what an earlier run found.
func table(header, earlier string) (*calls, error) {
	c := &calls{numbers: map[string]int{}, params: map[string]string{}}
	text, err := os.ReadFile(header)
	if err != nil {
		return nil, err
	}
	for _, m := range define.FindAllStringSubmatch(string(text), -1) {
		if c.numbers[m[1]], err = strconv.Atoi(m[2]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", header, err)
		}
		c.params[m[1]] = unknown
	}
	if len(c.numbers) < 300 {
		return nil, fmt.Errorf("reading %s: only %d calls", header, len(c.numbers))
	}
	text, err = os.ReadFile(earlier)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(parts) < 2 {
			continue
		}
		number, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", earlier, err)
		}
		if have, ok := c.numbers[parts[0]]; ok && have != number {
			return nil, fmt.Errorf("%s has the number %d in %s and %d in %s", parts[0], have, header, number, earlier)
		}
		c.numbers[parts[0]] = number // headers older than the table lack calls
		c.params[parts[0]] = strings.Join(parts[2:], "")
	}
	return c, err
}

// kernelNames are the names of functions in the kernel that differ from those in unistd.h.
var kernelNames = map[string]string{
	"stat": "newstat", "fstat": "newfstat", "lstat": "newlstat", "uname": "newuname", "umount2": "umount", "sendfile": "sendfile64",
}

// described returns what a kernel says of a call's parameters.
func described(formats, name string) (string, error) {
	if k, ok := kernelNames[name]; ok {
		name = k
	}
	text, err := os.ReadFile(filepath.Join(formats, "sys_enter_"+name, "format"))
	if errors.Is(err, fs.ErrNotExist) {
		return unknown, nil
	}
	if err != nil {
		return unknown, err
	}
	f, err := tracefs.ParseFormat(string(text))
	if err != nil {
		return unknown, fmt.Errorf("%s: %w", name, err)
	}
	var params []string
	for _, field := range f.Fields {
		// The number comes first; texts that newer kernels copy from user memory (__filename_val) come last.
		if field.Name == "__syscall_nr" || field.Name == "nr" && field.Offset == 8 || field.Place != tracefs.Fixed {
			continue
		}
		params = append(params, field.Type+" "+field.Name)
	}
	return strings.Join(params, ", "), nil
}

func (c *calls) write(file, abi, header string) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# System calls of %s: name, number (asm/%s), parameters (tracefs). Written by gen; do not edit.\n", abi, header)
	for _, name := range slices.Sorted(maps.Keys(c.numbers)) {
		fmt.Fprintf(&out, "%s\t%d", name, c.numbers[name])
		if p := c.params[name]; p != "" {
			fmt.Fprintf(&out, "\t%s", p)
		}
		out.WriteByte('\n')
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}
