package host

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"probetape/record/host/ldso"
)

// library is a shared library that the dynamic loader finds.
type library = ldso.Library

// libraryDirs are searched where the loader has no cache (musl), and for libraries that are not in it.
var libraryDirs = [...]string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib",
}

func (h *Host) listLibraries() ([]library, error) {
	const cache = "/etc/ld.so.cache"
	data, err := os.ReadFile(h.at(cache))
	switch {
	case err == nil:
		return ldso.Cache(data)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, access("the list of libraries", cache, err)
	}
	var list []library
	for _, dir := range libraryDirs {
		entries, err := os.ReadDir(h.at(dir))
		if err != nil {
			continue // the folders differ between systems
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "lib") && strings.Contains(e.Name(), ".so") && !e.IsDir() {
				list = append(list, library{Soname: e.Name(), Path: path.Join(dir, e.Name())})
			}
		}
	}
	return list, nil
}

// findLibrary returns the files that a library's name means: "libc.so.6" itself, "libc" every libc.so.VERSION. The links are not resolved.
func (h *Host) findLibrary(name string) ([]string, error) {
	list, err := h.libraries()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, l := range list {
		if l.Soname == name || strings.HasPrefix(l.Soname, name+".so") {
			found = append(found, l.Path)
		}
	}
	if len(found) == 0 && strings.Contains(name, ".so") {
		for _, dir := range libraryDirs {
			if file := path.Join(dir, name); exists(h.at(file)) {
				found = append(found, file)
			}
		}
	}
	return slices.Compact(found), nil
}

// defaultPath is where programs of a recorded host are looked up.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// pathDirs returns the folders of PATH.
func (h *Host) pathDirs() []string {
	list := defaultPath
	if own := os.Getenv("PATH"); h.running && own != "" {
		list = own
	}
	var dirs []string
	for _, dir := range strings.Split(list, ":") {
		if path.IsAbs(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// findProgram looks a program up in PATH; empty: not there.
func (h *Host) findProgram(name string) string {
	for _, dir := range h.pathDirs() {
		file := path.Join(dir, name)
		info, err := os.Stat(h.at(file))
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return file
		}
	}
	return ""
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
