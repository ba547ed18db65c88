// Command testreport runs `go test -json`, prints totals and skips per package, and fails where a test failed, did not end, or
// was skipped without a reason that holds on this machine:
//
//	testreport -- go test -json ./...
package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"probetape/tools/testresult"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: testreport -- go test -json PACKAGE...")
		os.Exit(2)
	}
	good, err := report(os.Stdout, args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if !good || err != nil {
		os.Exit(1)
	}
}

// report runs the command and judges it.
func report(w io.Writer, args []string) (bool, error) {
	where, err := here()
	if err != nil {
		return false, err
	}
	begin := time.Now()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	results := testresult.NewResults()
	stray, readErr := results.Read(out)
	waitErr := cmd.Wait()
	fmt.Fprint(w, stray)
	verdict := results.Judge(w, where, nil)
	for _, p := range verdict.Problems {
		fmt.Fprintln(w, "problem:", p)
	}
	fmt.Fprintf(w, "%s in %s on %s\n", verdict, time.Since(begin).Round(100*time.Millisecond), where.Release)
	return verdict.Good() && waitErr == nil, readErr
}

// here describes this machine.
func here() (testresult.Where, error) {
	where := testresult.Where{Root: os.Geteuid() == 0}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if errors.Is(err, os.ErrNotExist) {
		return where, nil // not Linux: nothing justifies a skip but the lack of root
	}
	if err != nil {
		return where, err
	}
	where.Release = strings.TrimSpace(string(release))
	where.Config, err = kernelConfig(where.Release)
	return where, err
}

// kernelConfig reads the running kernel's configuration from the kernel itself, or from where distributions put it.
func kernelConfig(release string) (map[string]bool, error) {
	if f, err := os.Open("/proc/config.gz"); err == nil {
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("reading /proc/config.gz: %w", err)
		}
		return testresult.ReadConfig(z)
	}
	f, err := os.Open("/boot/config-" + release)
	if err != nil {
		return nil, fmt.Errorf("finding the kernel's configuration: %w", err)
	}
	defer f.Close()
	return testresult.ReadConfig(f)
}
