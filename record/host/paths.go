package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// maxLinks is how many symbolic links a path may lead over, as in the kernel (MAXSYMLINKS).
const maxLinks = 40

// follow resolves the links of an absolute path of the host and returns what lies at the end, itself no link.
//
// Links of a container lead to the container's files: below /proc/PID/root the root of an absolute link is that folder. What is reached by
// /proc/PID/root or /proc/PID/exe and is the same file outside is returned by its path outside, which stays when the process ends.
func (h *Host) follow(name string) (string, error) {
	name = path.Clean(name)
	root, rest := containerRoot(name)
	if root == "" {
		if target, ok := h.exeTarget(name); ok {
			return target, nil
		}
	}
	found, err := h.followIn(root, rest)
	if err != nil || root == "" {
		return found, err
	}
	return h.outside(root, found), nil
}

// containerRoot splits /proc/PID/root/usr/lib into the root folder and the path in it; root "" where there is none.
func containerRoot(name string) (root, rest string) {
	parts := strings.SplitN(name, "/", 5) // "", proc, PID, root, rest
	if len(parts) < 4 || parts[1] != "proc" || parts[3] != "root" {
		return "", name
	}
	root = "/proc/" + parts[2] + "/root"
	if len(parts) == 4 {
		return root, "/"
	}
	return root, "/" + parts[4]
}

// exeTarget resolves /proc/PID/exe. The link's text is a path of this process's mounts, or, where the process has its own, of those.
func (h *Host) exeTarget(name string) (string, bool) {
	dir, last := path.Split(name)
	if last != "exe" || !strings.HasPrefix(dir, "/proc/") || strings.Count(dir, "/") != 3 {
		return "", false
	}
	text, err := os.Readlink(h.at(name))
	if err != nil {
		return "", false
	}
	if h.same(name, text) {
		return text, true
	}
	if inside := dir + "root" + text; h.same(name, inside) {
		return inside, true
	}
	return name, true // the file was deleted or replaced: the link still leads to it
}

// outside returns the path without the container's root where both are the same file.
func (h *Host) outside(root, name string) string {
	if h.same(root+name, name) {
		return name
	}
	return root + name
}

func (h *Host) same(a, b string) bool {
	x, errA := os.Stat(h.at(a))
	y, errB := os.Stat(h.at(b))
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// followIn resolves a path below a root folder ("" for the host's own) and returns it without that folder.
func (h *Host) followIn(root, name string) (string, error) {
	done := "/"
	rest := strings.Split(name, "/")
	links := 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		info, err := os.Lstat(h.at(root + next))
		if err != nil {
			return "", &fs.PathError{Op: "finding", Path: name, Err: bare(err)}
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "finding", Path: name, Err: errors.New("too many symbolic links")}
		}
		target, err := os.Readlink(h.at(root + next))
		if err != nil {
			return "", fmt.Errorf("finding %s: %w", name, err)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return done, nil
}
