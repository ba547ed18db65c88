package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"probetape/tools/testresult"
	"probetape/tools/vmtest/guest"
)

// bootAttempts is how often a machine is booted that dies before its first test: that is the emulator's or the
// host's fault, and no test's result depends on it.
const bootAttempts = 3

// crashAttempts is how often a kernel may be booted that crashes in the middle of its tests. The emulator now and then has a CPU run half
// of an instruction that another CPU is writing (kernels rewrite their own code when a probe is attached). A crash that a test causes comes
// again and fails the run; one that does not is told all the same.
const crashAttempts = 2

// outcome is a kernel's run.
type outcome struct {
	kernel  kernel
	report  string // what Judge wrote
	verdict testresult.Verdict
	elapsed time.Duration
	boots   int
	crashes []string // of boots that were repeated
	err     error    // the machine itself failed
}

// test boots a kernel, until it gets to its tests, and judges what they say.
func (q qemu) test(ctx context.Context, k kernel, parameters, initramfs, dir string, tests map[string][]string, whole bool) outcome {
	o := outcome{kernel: k}
	begin := time.Now()
	defer func() { o.elapsed = time.Since(begin) }()
	var b boot
	for o.boots = 1; ; o.boots++ {
		attempt := filepath.Join(dir, fmt.Sprintf("boot%d", o.boots))
		if o.err = os.MkdirAll(attempt, 0o755); o.err != nil {
			return o
		}
		if b, o.err = q.run(ctx, k, parameters, initramfs, attempt); o.err != nil {
			return o
		}
		if b.done || ctx.Err() != nil || o.boots == bootAttempts {
			break
		}
		if b.started {
			if !b.crashed || len(o.crashes)+1 == crashAttempts {
				break
			}
			o.crashes = append(o.crashes, b.oops())
		}
	}
	o.judge(b, tests, whole)
	o.elapsed = time.Since(begin)
	return o
}

func (o *outcome) judge(b boot, tests map[string][]string, whole bool) {
	where := testresult.Where{Release: o.kernel.release, Root: true, Guest: true}
	config, err := os.Open(o.kernel.config)
	if err != nil {
		o.err = fmt.Errorf("opening the kernel's configuration: %w", err)
		return
	}
	defer config.Close()
	if where.Config, o.err = testresult.ReadConfig(config); o.err != nil {
		return
	}
	results, err := readResults(b.results)
	if err != nil {
		o.err = err
		return
	}
	if !whole {
		tests = nil // subtests may have been selected
	}
	var report strings.Builder
	o.verdict = results.Judge(&report, where, tests)
	o.report = report.String()
	if !b.done {
		o.err = fmt.Errorf("running the machine: %s; the end of its console:\n%s", b.detail, b.tail())
	}
}

// readResults takes the packages' output apart and has Go's own tool read each.
func readResults(path string) (*testresult.Results, error) {
	results := testresult.NewResults()
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return results, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the machine's results: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	var pkg string
	var output bytes.Buffer
	for {
		line, err := in.ReadString('\n')
		switch {
		case strings.HasPrefix(line, guest.Begin):
			pkg = strings.TrimSpace(strings.TrimPrefix(line, guest.Begin))
			output.Reset()
		case strings.HasPrefix(line, guest.End):
			_, status, elapsed, err := guest.ParseEnd(line)
			if err != nil {
				return nil, err
			}
			if err := convert(results, pkg, &output); err != nil {
				return nil, err
			}
			results.Finish(pkg, status, elapsed)
			pkg = ""
		case pkg != "":
			output.WriteString(line)
		}
		if err != nil {
			break
		}
	}
	if pkg == "" {
		return results, nil
	}
	if err := convert(results, pkg, &output); err != nil { // the machine died in the middle of it
		return nil, err
	}
	results.Finish(pkg, -1, 0)
	return results, nil
}

// convert turns a test binary's output into events.
func convert(results *testresult.Results, pkg string, output io.Reader) error {
	cmd := exec.Command("go", "tool", "test2json", "-p", pkg)
	cmd.Stdin = output
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	events, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running test2json: %w: %s", err, stderr.Bytes())
	}
	_, err = results.Read(bytes.NewReader(events))
	return err
}
