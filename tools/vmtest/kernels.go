package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// seriesList are the kernels of the matrix: long-term series of Debian's cloud flavour, which has everything built in
// that a test machine needs, and whatever is newest.
var seriesList = []string{"5.10", "6.1", "6.12", "6.18", newest}

const newest = "newest"

// kernel is one that is ready to boot.
type kernel struct {
	series  string
	release string // "6.1.0-56-cloud-amd64"
	image   string // path of vmlinuz
	config  string // path of its configuration
}

// From 6.19 on the image is in a package of its own, and the one named linux-image is empty.
var kernelPackage = regexp.MustCompile(`^linux-(image|binary)-([0-9]+\.[0-9]+[^_]*-cloud-amd64)$`)

// backported marks rebuilds for another release than the one whose series it is.
const backported = "-0.deb"

// resolveKernels finds, for each series, the newest package.
func (a *apt) resolveKernels(series []string) (map[string]string, error) {
	names, err := a.names(`^linux-(image|binary)-[0-9].*-cloud-amd64$`)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, s := range series {
		for _, name := range names {
			m := kernelPackage.FindStringSubmatch(name)
			if m == nil || strings.Contains(name, backported) || s != newest && !strings.HasPrefix(m[2], s+".") {
				continue
			}
			if newerPackage(name, found[s]) {
				found[s] = name
			}
		}
		if found[s] == "" {
			return nil, fmt.Errorf("finding kernel %s: no suite has a package for it", s)
		}
	}
	return found, nil
}

// newerPackage compares by the numbers in the names; of two with the same numbers, linux-binary has the image.
func newerPackage(name, than string) bool {
	if than == "" {
		return true
	}
	a, b := numbers(name), numbers(than)
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return strings.HasPrefix(name, "linux-binary-")
}

var digits = regexp.MustCompile(`[0-9]+`)

func numbers(name string) []int {
	var list []int
	name = strings.TrimSuffix(name, "-cloud-amd64")
	for _, d := range digits.FindAllString(name, -1) {
		n, err := strconv.Atoi(d)
		if err != nil {
			return list // longer than any version is
		}
		list = append(list, n)
	}
	return list
}

// fetchKernel puts a package's image and configuration into the cache, unless they are there.
func (a *apt) fetchKernel(cache, series, pkg string) (kernel, error) {
	release := kernelPackage.FindStringSubmatch(pkg)[2]
	dir := filepath.Join(cache, "kernels", release)
	k := kernel{series: series, release: release, image: filepath.Join(dir, "vmlinuz"), config: filepath.Join(dir, "config")}
	if fileExists(k.image) && fileExists(k.config) {
		return k, nil
	}
	tmp, err := os.MkdirTemp(cache, "unpacking-")
	if err != nil {
		return k, fmt.Errorf("making a folder to unpack %s: %w", pkg, err)
	}
	defer os.RemoveAll(tmp)
	pkgs := []string{pkg}
	if strings.HasPrefix(pkg, "linux-binary-") {
		base := "linux-base-" + release
		if names, err := a.names("^" + regexp.QuoteMeta(base) + "$"); err == nil && len(names) > 0 {
			pkgs = append(pkgs, base)
		}
	}
	if err := a.unpack(tmp, pkgs...); err != nil {
		return k, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return k, fmt.Errorf("making the kernel's folder: %w", err)
	}
	for to, places := range map[string][]string{
		k.config: {"boot/config-" + release, "usr/lib/modules/" + release + "/config", "lib/modules/" + release + "/config"},
		k.image:  {"boot/vmlinuz-" + release, "usr/lib/modules/" + release + "/vmlinuz", "lib/modules/" + release + "/vmlinuz"},
	} {
		if err := takeFirst(tmp, places, to); err != nil {
			return k, fmt.Errorf("taking the kernel out of %s: %w", strings.Join(pkgs, " "), err)
		}
	}
	return k, nil
}

// takeFirst moves the first of some places that exists.
func takeFirst(root string, places []string, to string) error {
	for _, place := range places {
		from := filepath.Join(root, place)
		if fileExists(from) {
			return os.Rename(from, to)
		}
	}
	return fmt.Errorf("none of %s is there", strings.Join(places, ", "))
}

func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
