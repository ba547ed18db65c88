// Command vmtest runs the project's test binaries on Debian's kernels, in machines that QEMU emulates:
//
//	vmtest [-kernel SERIES] [-run PATTERN] [PACKAGE...]
//
// It fetches kernels and QEMU with apt into a cache, packs the test binaries, the program and the traced programs into an initramfs,
// boots each kernel with it, two at a time, and judges the results: a test that failed, that is missing, or that was
// skipped on a kernel that has what the test asks for, fails the run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// options are the command line.
type options struct {
	series   []string
	packages []string
	pattern  string
	append   string
	cache    string
	jobs     int
	timeout  time.Duration
	keep     bool
}

// defaultPackages have tests that depend on the kernel.
var defaultPackages = []string{"./record", "./record/attach", "./record/ring", "./record/host", "./test"}

func main() {
	opts, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmtest:", err)
		os.Exit(2)
	}
	good, err := run(os.Stdout, opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmtest:", err)
	}
	if !good || err != nil {
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("vmtest", flag.ContinueOnError)
	series := flags.String("kernel", "", "series to boot, separated by commas: "+strings.Join(seriesList, ", ")+" (all)")
	flags.StringVar(&o.pattern, "run", "", "only tests that match, as in go test -run")
	flags.StringVar(&o.cache, "cache", "", "folder for kernels and QEMU (probetape in the user's cache folder)")
	flags.IntVar(&o.jobs, "jobs", 2, "machines at a time")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Minute, "for all machines together")
	flags.StringVar(&o.append, "append", "", "more parameters for the kernels, such as preempt=full")
	flags.BoolVar(&o.keep, "keep", false, "keep the initramfs and the logs, and say where")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.series = seriesList
	if *series != "" {
		o.series = strings.Split(*series, ",")
	}
	for _, s := range o.series {
		if !slices.Contains(seriesList, s) {
			return o, fmt.Errorf("no kernel series %q: there are %s", s, strings.Join(seriesList, ", "))
		}
	}
	if o.packages = flags.Args(); len(o.packages) == 0 {
		o.packages = defaultPackages
	}
	if o.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("finding a folder for kernels: %w", err)
		}
		o.cache = filepath.Join(dir, "probetape")
	}
	return o, nil
}

// run does the four steps: fetch, build, boot, judge.
func run(w io.Writer, o options) (bool, error) {
	begin := time.Now()
	q, kernels, err := fetch(o)
	if err != nil {
		return false, err
	}
	fetched := time.Now()
	dir, err := os.MkdirTemp("", "vmtest-")
	if err != nil {
		return false, err
	}
	if o.keep {
		fmt.Fprintln(w, "vmtest: keeping", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	b := builder{dir: dir, pattern: o.pattern}
	initramfs, err := b.build(o.packages)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(initramfs)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(w, "vmtest: QEMU %s, %d kernels ready in %s; initramfs of %d MiB in %s\n", q.version, len(kernels),
		fetched.Sub(begin).Round(100*time.Millisecond), info.Size()>>20, time.Since(fetched).Round(100*time.Millisecond))
	good := true
	for o := range q.testAll(o, kernels, initramfs, dir, b.tests) {
		good = o.print(w) && good
	}
	fmt.Fprintf(w, "vmtest: %d kernels in %s\n", len(kernels), time.Since(begin).Round(100*time.Millisecond))
	return good, nil
}

func fetch(o options) (qemu, []kernel, error) {
	a := &apt{dir: filepath.Join(o.cache, "apt")}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return qemu{}, nil, fmt.Errorf("making the cache: %w", err)
	}
	if err := a.update(); err != nil {
		return qemu{}, nil, err
	}
	q, err := a.fetchQEMU(o.cache)
	if err != nil {
		return q, nil, err
	}
	if err := q.check(); err != nil {
		return q, nil, err
	}
	pkgs, err := a.resolveKernels(o.series)
	if err != nil {
		return q, nil, err
	}
	var kernels []kernel
	for _, s := range o.series {
		k, err := a.fetchKernel(o.cache, s, pkgs[s])
		if err != nil {
			return q, nil, err
		}
		kernels = append(kernels, k)
	}
	return q, kernels, nil
}

// testAll boots the kernels, some at a time, and sends their outcomes as they come.
func (q qemu) testAll(o options, kernels []kernel, initramfs, dir string, tests map[string][]string) <-chan outcome {
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	outcomes := make(chan outcome)
	slots := make(chan struct{}, max(o.jobs, 1))
	var wg sync.WaitGroup
	for _, k := range kernels {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			outcomes <- q.test(ctx, k, o.append, initramfs, filepath.Join(dir, k.series), tests, o.pattern == "")
		})
	}
	go func() {
		wg.Wait()
		cancel()
		close(outcomes)
	}()
	return outcomes
}

// print reports one kernel and returns whether all is well with it.
func (o outcome) print(w io.Writer) bool {
	good := o.err == nil && o.verdict.Good()
	word := "ok  "
	if !good {
		word = "FAIL"
	}
	fmt.Fprintf(w, "%s kernel %s (%s): %s in %s, boot %d\n", word, o.kernel.series, o.kernel.release, o.verdict, o.elapsed.Round(100*time.Millisecond), o.boots)
	for _, crash := range o.crashes {
		fmt.Fprintln(w, "  note: the kernel crashed, and was booted again:", crash)
	}
	for _, line := range strings.SplitAfter(o.report, "\n") {
		if line != "" {
			fmt.Fprint(w, "  ", line)
		}
	}
	for _, p := range o.verdict.Problems {
		fmt.Fprintln(w, "  problem:", p)
	}
	if o.err != nil {
		fmt.Fprintln(w, "  problem:", o.err)
	}
	return good
}
