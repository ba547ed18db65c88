package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"probetape/tools/vmtest/guest"
)

// The QEMU that boots the matrix is the backports': the one of Debian 12 (7.2) makes kernels from 6.12 on crash at random while
// they boot under load. It is unpacked beside the kernels and never installed; install-deps.sh installs its shared libraries.
const qemuSuite = "bookworm-backports"

var qemuPackages = []string{"qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios"}

// qemu is an unpacked QEMU.
type qemu struct {
	root    string
	version string
}

// fetchQEMU puts QEMU into the cache, unless it is there.
func (a *apt) fetchQEMU(cache string) (qemu, error) {
	version, err := a.version(qemuPackages[0], qemuSuite)
	if err != nil {
		return qemu{}, err
	}
	q := qemu{root: filepath.Join(cache, "qemu-"+strings.NewReplacer(":", "_", "/", "_").Replace(version)), version: version}
	if fileExists(q.program()) {
		return q, nil
	}
	tmp, err := os.MkdirTemp(cache, "unpacking-")
	if err != nil {
		return q, fmt.Errorf("making a folder to unpack QEMU: %w", err)
	}
	defer os.RemoveAll(tmp)
	var pkgs []string
	for _, name := range qemuPackages {
		v, err := a.version(name, qemuSuite)
		if err != nil {
			return q, err
		}
		pkgs = append(pkgs, name+"="+v)
	}
	unpacked := filepath.Join(tmp, "qemu")
	if err := a.unpack(unpacked, pkgs...); err != nil {
		return q, err
	}
	if err := os.Rename(unpacked, q.root); err != nil {
		return q, fmt.Errorf("putting QEMU into the cache: %w", err)
	}
	return q, nil
}

func (q qemu) program() string { return filepath.Join(q.root, "usr/bin/qemu-system-x86_64") }

// check says which shared libraries are missing, before a boot does.
func (q qemu) check() error {
	out, err := exec.Command(q.program(), "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("running QEMU: %w: %s (scripts/install-deps.sh test installs its libraries)", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// boot is one run of a machine.
type boot struct {
	console string // path of the log of the kernel's console
	results string // path of what came over the second serial port
	files   string // path of what came over the third: an archive of files that tests left for the host
	elapsed time.Duration
	done    bool // init came to its end
	started bool // at least one test binary began
	crashed bool // the kernel panicked or rebooted
	detail  string
}

// run boots a kernel with an initramfs and waits for the machine's end.
func (q qemu) run(ctx context.Context, k kernel, parameters, initramfs, dir string) (boot, error) {
	b := boot{console: filepath.Join(dir, "console.log"), results: filepath.Join(dir, "results"), files: filepath.Join(dir, "files")}
	console, err := os.Create(b.console)
	if err != nil {
		return b, fmt.Errorf("making the console's log: %w", err)
	}
	defer console.Close()
	cmd := exec.CommandContext(ctx, q.program(),
		"-L", filepath.Join(q.root, "usr/share/seabios"), "-L", filepath.Join(q.root, "usr/share/qemu"),
		// KVM is not asked for: where machines are nested it fails in ways of its own, and emulation is quick enough.
		"-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-smp", "2", "-m", "2G",
		"-nodefaults", "-display", "none", "-no-reboot",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
		"-serial", "stdio", "-serial", "file:"+b.results, "-serial", "file:"+b.files,
		"-kernel", k.image, "-initrd", initramfs,
		// 5.10 runs BPF programs on LSM hooks only if the list of security modules names them.
		"-append", "console=ttyS0 panic=-1 quiet lsm=lockdown,yama,apparmor,bpf "+parameters)
	cmd.Stdout, cmd.Stderr = console, console
	begin := time.Now()
	err = cmd.Run()
	b.elapsed = time.Since(begin)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		b.detail = "it did not end in time"
	case err == nil:
		b.detail, b.crashed = "the kernel panicked or rebooted", true
	case !errors.As(err, &exit):
		return b, fmt.Errorf("running QEMU: %w", err)
	case exit.ExitCode() == guest.ExitDone*2+1:
		b.done = true
	default:
		b.detail = fmt.Sprintf("QEMU ended with status %d", exit.ExitCode())
	}
	return b, b.scan()
}

// scan looks for markers in what the machine sent.
func (b *boot) scan() error {
	f, err := os.Open(b.results)
	if errors.Is(err, os.ErrNotExist) {
		return nil // QEMU did not get as far
	}
	if err != nil {
		return fmt.Errorf("reading the machine's results: %w", err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadString('\n')
		b.started = b.started || strings.HasPrefix(line, guest.Begin)
		if strings.HasPrefix(line, guest.Error) {
			b.done, b.detail = false, strings.TrimSpace(line)
		}
		if err != nil {
			return nil // its end
		}
	}
}

// oops returns the line with which a crash begins on the console.
func (b boot) oops() string {
	text, err := os.ReadFile(b.console)
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "Oops") || strings.Contains(line, "BUG:") || strings.Contains(line, "Kernel panic") {
			return strings.TrimSpace(line)
		}
	}
	return b.detail
}

// tail returns the last lines of the console.
func (b boot) tail() string {
	const keep = 40
	text, err := os.ReadFile(b.console)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r", "")), "\n")
	if len(lines) > keep {
		lines = lines[len(lines)-keep:]
	}
	return strings.Join(lines, "\n")
}
