package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"probetape/test/programs"
	"probetape/tools/vmtest/guest"
)

const busybox = "/bin/busybox"

// programTests is the package whose tests drive the built program. Most of them are about the program, not about the kernel, and take long
// where everything is emulated: without a pattern of one's own those run that are for every kernel.
const (
	programTests   = "./test"
	programPattern = "^TestEveryKernel"
)

// builder makes the initramfs: test binaries with their data, the program, the traced programs, a shell and init.
type builder struct {
	dir     string // for what it compiles
	pattern string // of -test.run, or empty
	image   *image
	jobs    []guest.Job
	tests   map[string][]string // package -> names of its tests
}

// build compiles everything and returns the path of the archive.
func (b *builder) build(packages []string) (string, error) {
	b.image, b.tests = newImage(), map[string][]string{}
	steps := []func() error{b.addInit, b.addShell, b.addTraced}
	if slices.Contains(packages, programTests) {
		steps = append(steps, b.addProgram)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return "", err
		}
	}
	for _, pkg := range packages {
		if err := b.addPackage(pkg); err != nil {
			return "", err
		}
	}
	if len(b.jobs) == 0 {
		return "", fmt.Errorf("building test binaries: no tests in %s", strings.Join(packages, " "))
	}
	jobs, err := json.Marshal(b.jobs)
	if err != nil {
		return "", err
	}
	b.image.addContent(guest.JobsFile, jobs, 0o644)
	return b.writeArchive()
}

func (b *builder) writeArchive() (string, error) {
	out := filepath.Join(b.dir, "initramfs")
	f, err := os.Create(out)
	if err != nil {
		return "", fmt.Errorf("making the initramfs: %w", err)
	}
	if err := b.image.write(f); err != nil {
		f.Close()
		return "", err
	}
	return out, f.Close()
}

func (b *builder) addInit() error {
	out := filepath.Join(b.dir, "init")
	b.image.addHost("/init", out, 0o755)
	return goCommand("build", "-ldflags=-s -w", "-o", out, "./tools/vmtest/init")
}

// addShell adds busybox under the names of all its programs, and the users that tests become.
func (b *builder) addShell() error {
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return fmt.Errorf("listing the programs of %s: %w", busybox, err)
	}
	b.image.addHost(busybox, busybox, 0o755)
	for _, name := range strings.Fields(string(applets)) {
		if name != path.Base(busybox) { // it lists itself
			b.image.addLink("/bin/"+name, path.Base(busybox))
		}
	}
	b.image.addLink("/usr/bin", "../bin")
	b.image.addLink("/sbin", "bin")
	b.image.addContent("/etc/passwd", []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"), 0o644)
	b.image.addContent("/etc/group", []byte("root:x:0:\nnogroup:x:65534:\n"), 0o644)
	b.image.addContent("/etc/hosts", []byte("127.0.0.1 localhost\n"), 0o644)
	for _, dir := range []string{"/tmp", "/root", "/dev", "/proc", "/sys", "/run"} {
		b.image.addDir(dir)
	}
	return nil
}

func (b *builder) addProgram() error {
	out := filepath.Join(b.dir, "probetape")
	b.image.addHost("/bin/probetape", out, 0o755)
	return goCommand("build", "-trimpath", "-ldflags=-s -w", "-o", out, "./cmd/probetape")
}

// addTraced adds the programs that tests record, which the machine has no compiler for.
func (b *builder) addTraced() error {
	out := filepath.Join(b.dir, "programs")
	if err := programs.Build("testdata/programs", out); err != nil {
		return err
	}
	return b.addTree(out, "/programs")
}

// addPackage compiles a package's tests; a package without any adds nothing.
func (b *builder) addPackage(pkg string) error {
	rel := strings.TrimPrefix(pkg, "./")
	binary := filepath.Join(b.dir, strings.ReplaceAll(rel, "/", "-")+".test")
	if err := goCommand("test", "-c", "-ldflags=-w", "-o", binary, pkg); err != nil {
		return err
	}
	if !fileExists(binary) {
		return nil
	}
	pattern := b.pattern
	if pattern == "" && pkg == programTests {
		pattern = programPattern
	}
	names, err := list(pkg, binary, pattern)
	if err != nil || len(names) == 0 {
		return err
	}
	inside := path.Join("/src", rel, path.Base(rel)+".test")
	b.image.addHost(inside, binary, 0o755)
	if testdata := filepath.Join(rel, "testdata"); dirExists(testdata) {
		if err := b.addTree(testdata, path.Join("/src", rel, "testdata")); err != nil {
			return err
		}
	}
	args := []string{"-test.v=test2json", "-test.timeout=4m"}
	if pattern != "" {
		args = append(args, "-test.run="+pattern)
	}
	b.tests["probetape/"+rel] = names
	b.jobs = append(b.jobs, guest.Job{
		Package: "probetape/" + rel, Path: inside, Dir: path.Dir(inside), Args: args,
		Env: []string{"PATH=/bin", "HOME=/root", "TMPDIR=/tmp", programs.BuiltEnv + "=/programs", "PROBETAPE=/bin/probetape"},
	})
	return nil
}

// list returns the names of a binary's tests that a pattern selects.
func list(pkg, binary, pattern string) ([]string, error) {
	if pattern == "" {
		pattern = "."
	}
	top, _, _ := strings.Cut(pattern, "/") // subtests are known to the running test only
	cmd := exec.Command(binary, "-test.list="+top)
	cmd.Dir = strings.TrimPrefix(pkg, "./")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("listing the tests of %s: %w: %s", pkg, err, out)
	}
	var names []string
	for _, line := range strings.Fields(string(out)) {
		if strings.HasPrefix(line, "Test") {
			names = append(names, line)
		}
	}
	return names, nil
}

// addTree adds a folder's files with their permissions.
func (b *builder) addTree(host, inside string) error {
	return filepath.WalkDir(host, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(host, name)
		if err != nil {
			return err
		}
		to := path.Join(inside, filepath.ToSlash(rel))
		if d.IsDir() {
			b.image.addDir(to)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b.image.addHost(to, name, uint32(info.Mode().Perm()))
		return nil
	})
}

// goCommand runs the go tool for the machine.
func goCommand(args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running go %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func dirExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
