// Package programs compiles the traced programs of testdata/programs: small C programs that do a known number of things
// and print it. Tests and the kernel matrix share it. It imports the standard library only.
package programs

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuiltEnv names the folder of ready programs, for machines without a compiler.
const BuiltEnv = "PROBETAPE_PROGRAMS"

// flagsMark begins the line of a source's comment that holds compiler flags of its own.
const flagsMark = "cflags:"

// Build compiles every source of a folder into another, statically, so that the programs run on any system.
func Build(sources, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("making the programs' folder: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(sources, "*.c"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("building traced programs: no sources in %s", sources)
	}
	for _, file := range files {
		if err := compile(file, filepath.Join(out, strings.TrimSuffix(filepath.Base(file), ".c"))); err != nil {
			return err
		}
	}
	return nil
}

func compile(source, out string) error {
	own, err := ownFlags(source)
	if err != nil {
		return err
	}
	args := append([]string{"-O1", "-g", "-Wall", "-Werror", "-static", "-pthread", "-o", out, source}, own...)
	if text, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w: %s", filepath.Base(source), err, text)
	}
	return nil
}

// ownFlags reads the flags that a source asks for.
func ownFlags(source string) ([]string, error) {
	f, err := os.Open(source)
	if err != nil {
		return nil, fmt.Errorf("reading a traced program: %w", err)
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		if _, flags, found := strings.Cut(scan.Text(), flagsMark); found {
			return strings.Fields(flags), nil
		}
		if strings.HasPrefix(scan.Text(), "#include") {
			break // the comment is over
		}
	}
	return nil, scan.Err()
}
