package record

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// CgroupError is returned for a --cgroup that names none.
type CgroupError struct {
	Path  string
	Cause string
	Mount string // of the version 2 hierarchy; empty: none
}

func (e *CgroupError) Error() string { return fmt.Sprintf("finding cgroup %q: %s", e.Path, e.Cause) }

// Hints says what to type instead.
func (e *CgroupError) Hints() []string {
	if e.Mount == "" {
		return []string{"mount -t cgroup2 none /sys/fs/cgroup/unified makes the hierarchy visible"}
	}
	return []string{fmt.Sprintf("a path below %s, with or without that; /proc/PID/cgroup names a process's own after 0::", e.Mount)}
}

// findCgroup returns the directory of a cgroup of version 2, and its path below the mount, for a directory's path or a path below the mount.
func findCgroup(path string) (dir, below string, err error) {
	mount, err := cgroupMount()
	if err != nil {
		return "", "", err
	}
	if mount == "" {
		return "", "", &CgroupError{Path: path, Cause: "no cgroup hierarchy of version 2 is mounted"}
	}
	dir = filepath.Clean(path)
	if dir != mount && !strings.HasPrefix(dir, mount+"/") {
		dir = filepath.Join(mount, path)
	}
	var s unix.Statfs_t
	switch err := unix.Statfs(dir, &s); {
	case errors.Is(err, fs.ErrNotExist):
		return "", "", &CgroupError{Path: path, Cause: "there is no " + dir, Mount: mount}
	case err != nil:
		return "", "", fmt.Errorf("finding cgroup %q: %w", path, err)
	case s.Type != unix.CGROUP2_SUPER_MAGIC:
		return "", "", &CgroupError{Path: path, Cause: dir + " is not of version 2", Mount: mount}
	}
	below = strings.TrimPrefix(dir, mount)
	if below == "" {
		below = "/"
	}
	return dir, below, nil
}

// cgroupMount returns where the version 2 hierarchy is mounted, empty where it is not.
func cgroupMount() (string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("looking for the cgroup mount: %w", err)
	}
	mount := ""
	for s := bufio.NewScanner(f); s.Scan() && mount == ""; {
		if fields := strings.Fields(s.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			mount = fields[1]
		}
	}
	return mount, f.Close()
}

// cgroupNames finds the paths of cgroups by the ids that the kernel tells, which are the inode numbers of their directories.
type cgroupNames struct {
	mount string
	clock Clock
	paths map[uint64]string
	next  int64 // boot clock: no walk before
}

// The bounds of a walk: hosts with many containers have thousands of cgroups, and looking for one must not become the recorder's work.
const (
	maxCgroups     = 65536
	cgroupWalkRest = 1_000_000_000 // ns
)

// path returns the path of a cgroup below the mount, empty where it is not known.
func (c *cgroupNames) path(id uint64) string {
	if c.mount == "" || id == 0 {
		return ""
	}
	if p, ok := c.paths[id]; ok {
		return p
	}
	if now := c.clock.Boot(); now >= c.next {
		c.next = now + cgroupWalkRest
		c.walk()
	}
	return c.paths[id]
}

func (c *cgroupNames) walk() {
	c.paths = make(map[uint64]string, len(c.paths))
	// A cgroup that goes away during the walk, or may not be read, stays without a name; the others have theirs.
	walkErr := filepath.WalkDir(c.mount, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		if !d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			below := strings.TrimPrefix(p, c.mount)
			if below == "" {
				below = "/"
			}
			c.paths[s.Ino] = below
		}
		if len(c.paths) >= maxCgroups {
			return fs.SkipAll
		}
		return nil
	})
	if walkErr != nil {
		c.mount = "" // not readable at all: names are not looked for again
	}
}
