package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"probetape/record"
	"probetape/record/kits"
	"probetape/serve"
)

const recordName = "record"

// The bounds of record's flags.
const (
	minFlush      = 50 * time.Millisecond
	maxFlush      = time.Minute
	minMaxSize    = 1 << 20
	maxBufferSize = 1 << 30
)

// recordCommand makes the command; args is the whole command line, which the capture keeps.
func recordCommand(args []string) *cli.Command {
	return &cli.Command{
		Name:      recordName,
		Usage:     "record what processes, a cgroup or the host do into a capture",
		ArgsUsage: "(-p PID,... | --cgroup PATH | -a | [--] COMMAND [ARG...])",
		Description: "probetape record -p 4242 -d 60s                     a process, its threads and children, for a minute\n" +
			"probetape record -- make -j8                         a command, from its start to its end\n" +
			"probetape record -a -d 10s -e 'syscall:openat /retval < 0/ { path = str(args.filename), retval }'\n" +
			"\n" +
			"Without -e, -f or -k it records every system call (-k syscalls). Flags come before COMMAND: what follows it is the command's.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "e", Aliases: []string{"probe"}, Usage: "record what this `PROBE` text says; may be repeated"},
			&cli.StringSliceFlag{Name: "f", Aliases: []string{"file"}, Usage: "read probe text from `FILE`; - is standard input"},
			&cli.StringSliceFlag{Name: "k", Aliases: []string{"kit"}, Usage: "record a ready-made `KIT`: " + strings.Join(kitNames(), ", ")},
			&cli.StringSliceFlag{Name: "p", Aliases: []string{"pid"}, Usage: "record these processes (`PID,...`), their threads and children"},
			&cli.StringFlag{Name: "cgroup", Usage: "record the tasks in a cgroup of version 2: its `PATH`"},
			&cli.BoolFlag{Name: "a", Aliases: []string{"all"}, Usage: "record every task of the host"},
			&cli.BoolFlag{Name: "no-children", Usage: "with -p or a command: leave descendants and children out"},
			&cli.StringFlag{Name: "o", Aliases: []string{"output"}, Usage: "write the capture to this folder, which must not exist (`CAPTURE`; HOST-UTC.tape)"},
			&cli.StringFlag{Name: "d", Aliases: []string{"duration"}, Usage: "end after `DURATION`, such as 60s"},
			&cli.StringFlag{Name: "max-size", Usage: "end when the capture has this `SIZE`", Value: "1GiB"},
			&cli.StringFlag{Name: "buffer-size", Usage: "`SIZE` of each CPU's event buffer", Value: "4MiB"},
			&cli.StringFlag{Name: "flush", Usage: "bring the capture up to date on disk every `DURATION`", Value: "1s"},
			&cli.StringFlag{Name: "listen", Usage: "serve live metrics at `ADDRESS`: :9435 is port 9435 of loopback"},
			&cli.BoolFlag{Name: "dry-run", Usage: "check everything and print the plan; attach nothing"},
		},
		Action: func(c *cli.Context) error { return runRecord(c, args) },
	}
}

// recording is what the command line of record asks for.
type recording struct {
	opts    record.Options
	command []string // empty: none
	listen  string   // empty: no server
}

// parseRecording reads record's flags. It asks nothing of the host but the files of -f.
func parseRecording(c *cli.Context, stdin io.Reader) (*recording, error) {
	if err := checkHabits(c); err != nil {
		return nil, err
	}
	r := &recording{command: c.Args().Slice(), listen: c.String("listen")}
	r.opts.DryRun = c.Bool("dry-run")
	var err error
	if r.opts.Targets, err = targets(c, len(r.command) > 0); err != nil {
		return nil, err
	}
	if r.opts.Sources, err = sources(c, stdin); err != nil {
		return nil, err
	}
	if err := r.limits(c); err != nil {
		return nil, err
	}
	if r.listen != "" {
		if _, err := serve.ParseAddress(r.listen); err != nil {
			return nil, &usageError{msg: "--listen: " + err.Error(), hints: hintsOf(err), err: err}
		}
	}
	if r.opts.Output, err = output(c); err != nil {
		return nil, err
	}
	r.opts.Tool = tool()
	return r, nil
}

// targets says whose events are asked for.
func targets(c *cli.Context, command bool) (record.Targets, error) {
	t := record.Targets{Cgroup: c.String("cgroup"), All: c.Bool("a"), Children: !c.Bool("no-children")}
	var err error
	if t.PIDs, err = parsePIDs(c.StringSlice("p")); err != nil {
		return t, err
	}
	switch {
	case c.IsSet("cgroup") && t.Cgroup == "":
		return t, usagef("--cgroup system.slice/nginx.service, as /proc/PID/cgroup names it after 0::", "--cgroup: the path is empty")
	case t.All && t.Cgroup != "":
		return t, usagef("leave one of them out", "-a records every task of the host: --cgroup would change nothing")
	case t.All && len(t.PIDs) > 0:
		return t, usagef("leave one of them out", "-a records every task of the host: -p would change nothing")
	case t.Cgroup != "" && len(t.PIDs) > 0:
		return t, usagef("make two recordings", "-p and --cgroup do not go together")
	case !command && !t.All && t.Cgroup == "" && len(t.PIDs) == 0:
		return t, noTarget(record.ErrNoTarget)
	case c.Bool("no-children") && (t.All || t.Cgroup != ""):
		return t, usagef("it goes with -p or a command", "--no-children: -a and --cgroup take tasks one by one, whoever started them")
	}
	t.Command = command && !t.All && t.Cgroup == ""
	return t, nil
}

func noTarget(err error) error {
	return &usageError{msg: err.Error(), err: err, hints: []string{
		"probetape record -p PID          a process, its threads and children",
		"probetape record -- COMMAND      a command, from its start to its end",
		"probetape record -a              the whole host",
	}}
}

// maxProbeText bounds a file of probe text: larger ones are not probe text.
const maxProbeText = 1 << 20

// sources reads the probe text, in the order of -e, -f, -k.
func sources(c *cli.Context, stdin io.Reader) ([]record.Source, error) {
	var all []record.Source
	for i, text := range c.StringSlice("e") {
		name := "-e"
		if i > 0 {
			name = fmt.Sprintf("-e %d", i+1) // messages must tell them apart
		}
		all = append(all, record.Source{Name: name, Text: text})
	}
	files := c.StringSlice("f")
	for i, name := range files {
		if slices.Contains(files[:i], name) {
			return nil, usagef("once is enough", "-f: %s is there twice", name)
		}
		text, err := probeFile(name, stdin)
		if err != nil {
			return nil, err
		}
		if name == "-" {
			name = "standard input"
		}
		all = append(all, record.Source{Name: name, Text: text})
	}
	names, err := kitArguments(c.StringSlice("k"))
	if err != nil {
		return nil, err
	}
	if len(all) == 0 && len(names) == 0 {
		names = []string{kits.Default}
	}
	for _, name := range names {
		kit, err := findKit(name)
		if err != nil {
			return nil, err
		}
		all = append(all, record.Source{Name: kit.Name, Kit: true, Text: kit.Text})
	}
	return all, nil
}

// kitArguments takes the lists of -k apart.
func kitArguments(lists []string) ([]string, error) {
	var names []string
	for _, list := range lists {
		for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
			if slices.Contains(names, name) {
				return nil, usagef("once is enough", "-k: kit %s is there twice", name)
			}
			names = append(names, name)
		}
	}
	if len(lists) > 0 && len(names) == 0 {
		return nil, usagef("probetape kits lists them", "-k: the name is empty")
	}
	return names, nil
}

func probeFile(name string, stdin io.Reader) (text string, err error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", badProbeFile(name, err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxProbeText+1))
	if err != nil {
		return "", badProbeFile(name, err)
	}
	if len(b) > maxProbeText {
		return "", usagef("-f takes a file of probe text, such as probetape kits files prints", "reading probe text: %s has more than %s", name, sizeWords(maxProbeText))
	}
	return string(b), nil
}

func badProbeFile(name string, err error) error {
	hint := "-f is a file of probe text, -e the text itself; children are followed without a flag"
	if _, ok := kits.Find(name); ok && errors.Is(err, fs.ErrNotExist) {
		hint = fmt.Sprintf("%s is a kit: -k %s", name, name)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return usagef(hint, "reading probe text: %s: %w", name, err)
}

// limits reads the flags that are quantities.
func (r *recording) limits(c *cli.Context) error {
	o := &r.opts
	var err error
	if c.IsSet("d") {
		if o.Duration, err = parseSpan("-d", c.String("d")); err != nil {
			return err
		}
	}
	if o.Flush, err = parseSpan("--flush", c.String("flush")); err != nil {
		return err
	}
	if o.Flush < minFlush || o.Flush > maxFlush {
		return usagef("from 50ms to 1m: what is not flushed is lost if the host crashes", "--flush: %v is out of range", o.Flush)
	}
	if o.MaxBytes, err = parseSize("--max-size", c.String("max-size")); err != nil {
		return err
	}
	if o.MaxBytes < minMaxSize {
		return usagef("at least 1MiB: an empty capture takes some of it", "--max-size: %s is too little", sizeWords(o.MaxBytes))
	}
	buffer, err := parseSize("--buffer-size", c.String("buffer-size"))
	if err != nil {
		return err
	}
	if buffer > maxBufferSize {
		return usagef("at most 1GiB: it is kernel memory, of each CPU", "--buffer-size: %s is too much", sizeWords(buffer))
	}
	o.BufferBytes = int(buffer)
	return nil
}

// output returns the capture's path, which nothing may be at.
func output(c *cli.Context) (string, error) {
	path := c.String("o")
	switch {
	case !c.IsSet("o"):
		path = defaultOutput(time.Now())
	case path == "":
		return "", usagef("-o incident.tape", "-o: the name is empty")
	case path == "-":
		return "", usagef("name a folder: -o incident.tape", "-o: a capture is a folder and cannot go to standard output")
	}
	path = filepath.Clean(path)
	switch info, err := os.Stat(filepath.Dir(path)); {
	case errors.Is(err, fs.ErrNotExist):
		return "", usagef("mkdir -p "+filepath.Dir(path), "-o: there is no folder %s", filepath.Dir(path))
	case err != nil:
		return "", usagef("-o names a folder that record makes", "-o: %w", err)
	case !info.IsDir():
		return "", usagef("-o names a folder that record makes", "-o: %s is not a folder", filepath.Dir(path))
	}
	switch _, err := os.Lstat(path); {
	case err == nil:
		return "", usagef("captures are never overwritten: choose another name with -o, or remove it", "-o: %s exists", path)
	case !errors.Is(err, fs.ErrNotExist):
		return "", usagef("-o names a folder that record makes", "-o: %w", err)
	}
	return path, nil
}

// defaultOutput names a capture after the host and the time.
func defaultOutput(now time.Time) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "capture" // a host without a name
	}
	host = strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, host)
	return strings.TrimLeft(host, "-.") + now.UTC().Format("-20060102T150405Z") + ".tape"
}

func kitNames() []string {
	var names []string
	for _, k := range kits.All() {
		names = append(names, k.Name)
	}
	return names
}

// hintsOf returns what an error says to do next.
func hintsOf(err error) []string {
	var h hinter
	if errors.As(err, &h) {
		return h.Hints()
	}
	return nil
}
