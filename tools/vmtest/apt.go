package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// apt asks Debian's archive for packages of other suites than the host's, without touching the host's own lists: it has
// lists and a cache of its own. The mirrors are those that the host is configured with.
type apt struct {
	dir string // for lists and downloads
}

// The suites from which kernels and QEMU come. A "-security" suite is on the host's security mirror.
var suites = []string{"bullseye-security", "bookworm-security", "bookworm-backports", "trixie-backports"}

const (
	hostRelease = "bookworm"
	keyring     = "/usr/share/keyrings/debian-archive-keyring.gpg"
	// listsAge is how old lists may be before they are fetched again.
	listsAge = 12 * time.Hour
)

// update fetches the suites' lists where they are missing or old. Lists that are there serve when the mirrors do not answer.
func (a *apt) update() error {
	stamp := filepath.Join(a.dir, "updated")
	if info, err := os.Stat(stamp); err == nil && time.Since(info.ModTime()) < listsAge {
		return nil
	}
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return fmt.Errorf("making the package lists' folder: %w", err)
		}
	}
	if err := a.writeSources(); err != nil {
		return err
	}
	if _, err := a.run("apt-get", "-q", "update"); err != nil {
		if _, old := os.Stat(stamp); old == nil {
			fmt.Fprintln(os.Stderr, "vmtest: using old package lists:", err)
			return nil
		}
		return err
	}
	if err := os.WriteFile(stamp, nil, 0o644); err != nil {
		return fmt.Errorf("marking the package lists: %w", err)
	}
	return nil
}

func (a *apt) writeSources() error {
	mirrors, err := hostMirrors()
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, suite := range suites {
		kind := hostRelease
		if strings.HasSuffix(suite, "-security") {
			kind = hostRelease + "-security"
		}
		if mirrors[kind] == "" {
			return fmt.Errorf("finding a mirror for %s: no apt source of this machine has the suite %s", suite, kind)
		}
		fmt.Fprintf(&text, "deb [signed-by=%s] %s %s main\n", keyring, mirrors[kind], suite)
	}
	if err := os.WriteFile(a.sourceList(), []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("writing apt sources: %w", err)
	}
	return nil
}

// hostMirrors asks apt where the machine's own suites come from.
func hostMirrors() (map[string]string, error) {
	cmd := exec.Command("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking apt for the machine's sources: %w", err)
	}
	mirrors := map[string]string{}
	for _, line := range strings.Split(string(out), "\n") {
		release, uri, found := strings.Cut(line, " ")
		if found && mirrors[release] == "" {
			mirrors[release] = uri
		}
	}
	return mirrors, nil
}

func (a *apt) sourceList() string { return filepath.Join(a.dir, "sources.list") }

// names lists the packages whose names match a regular expression.
func (a *apt) names(pattern string) ([]string, error) {
	out, err := a.run("apt-cache", "search", "--names-only", pattern)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, line := range strings.Split(out, "\n") {
		if name, _, found := strings.Cut(line, " - "); found {
			names = append(names, name)
		}
	}
	return names, nil
}

// version returns which version of a package a suite holds.
func (a *apt) version(pkg, suite string) (string, error) {
	out, err := a.run("apt-cache", "madison", pkg)
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(out, "\n") {
		fields := strings.Split(line, "|")
		if len(fields) == 3 && strings.Contains(fields[2], " "+suite+"/") {
			return strings.TrimSpace(fields[1]), nil
		}
	}
	return "", fmt.Errorf("finding package %s: suite %s has none", pkg, suite)
}

// unpack downloads packages ("name" or "name=version") and unpacks them below dir, without installing them.
func (a *apt) unpack(dir string, pkgs ...string) error {
	debs, err := os.MkdirTemp(a.dir, "debs-")
	if err != nil {
		return fmt.Errorf("making a folder for downloads: %w", err)
	}
	defer os.RemoveAll(debs)
	if _, err := a.runIn(debs, "apt-get", append([]string{"-q", "download"}, pkgs...)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	if len(files) != len(pkgs) {
		return fmt.Errorf("downloading %s: got %d packages", strings.Join(pkgs, " "), len(files))
	}
	for _, f := range files {
		if out, err := exec.Command("dpkg-deb", "-x", f, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking %s: %w: %s", filepath.Base(f), err, out)
		}
	}
	return nil
}

func (a *apt) run(tool string, args ...string) (string, error) { return a.runIn(a.dir, tool, args...) }

func (a *apt) runIn(dir, tool string, args ...string) (string, error) {
	own := []string{
		"-o", "Dir::Etc::sourcelist=" + a.sourceList(),
		"-o", "Dir::Etc::sourceparts=/dev/null",
		"-o", "Dir::State::lists=" + filepath.Join(a.dir, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"-o", "Acquire::Languages=none",
		"-o", "APT::Sandbox::User=root", // the cache may be where apt's own user cannot read
	}
	cmd := exec.Command(tool, append(own, args...)...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s %s: %w: %s", tool, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
