package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
)

// image is the content of an initramfs: files by their path in the guest.
type image struct {
	files map[string]file
}

// file is one entry: content held in memory, or a file of the host's; link makes it a symbolic link.
type file struct {
	mode    uint32
	host    string
	content []byte
	link    string
}

// The file types of a cpio header's mode.
const (
	modeDir     = 0o040000
	modeRegular = 0o100000
	modeLink    = 0o120000
)

func newImage() *image { return &image{files: map[string]file{}} }

// addHost puts a file of the host into the image.
func (m *image) addHost(name, host string, mode uint32) {
	m.files[name] = file{mode: modeRegular | mode, host: host}
}

func (m *image) addContent(name string, content []byte, mode uint32) {
	m.files[name] = file{mode: modeRegular | mode, content: content}
}

func (m *image) addLink(name, to string) {
	m.files[name] = file{mode: modeLink | 0o777, link: to}
}

func (m *image) addDir(name string) { m.files[name] = file{mode: modeDir | 0o755} }

// write writes the image as the kernel takes it: cpio's "newc" format, parents before what they hold.
func (m *image) write(w io.Writer) error {
	m.addParents()
	names := make([]string, 0, len(m.files))
	for name := range m.files {
		names = append(names, name)
	}
	sort.Strings(names)
	c := &cpioWriter{w: w}
	for _, name := range names {
		if err := c.add(name, m.files[name]); err != nil {
			return fmt.Errorf("writing %s to the initramfs: %w", name, err)
		}
	}
	return c.header("TRAILER!!!", 0, 0)
}

func (m *image) addParents() {
	for name := range m.files {
		for dir := path.Dir(name); dir != "/" && dir != "."; dir = path.Dir(dir) {
			if _, ok := m.files[dir]; !ok {
				m.addDir(dir)
			}
		}
	}
}

type cpioWriter struct {
	w   io.Writer
	ino int
}

func (c *cpioWriter) add(name string, f file) error {
	name = strings.TrimPrefix(name, "/")
	switch {
	case f.link != "":
		return c.data(name, f.mode, int64(len(f.link)), strings.NewReader(f.link))
	case f.host != "":
		return c.hostFile(name, f)
	}
	return c.data(name, f.mode, int64(len(f.content)), strings.NewReader(string(f.content)))
}

func (c *cpioWriter) hostFile(name string, f file) error {
	in, err := os.Open(f.host)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return c.data(name, f.mode, info.Size(), in)
}

func (c *cpioWriter) data(name string, mode uint32, size int64, content io.Reader) error {
	if err := c.header(name, mode, size); err != nil {
		return err
	}
	n, err := io.CopyN(c.w, content, size)
	if err != nil {
		return fmt.Errorf("copying byte %d of %d: %w", n, size, err)
	}
	return c.pad(size)
}

// header writes an entry's 13 numbers of 8 hexadecimal digits, and its name, padded to 4 bytes.
func (c *cpioWriter) header(name string, mode uint32, size int64) error {
	c.ino++
	const magic, headerLen = "070701", 110
	numbers := [13]int64{int64(c.ino), int64(mode), 0, 0, 1, 0, size, 0, 0, 0, 0, int64(len(name) + 1), 0}
	text := magic
	for _, n := range numbers {
		text += fmt.Sprintf("%08x", n)
	}
	text += name + "\x00"
	if _, err := io.WriteString(c.w, text); err != nil {
		return err
	}
	return c.pad(int64(headerLen + len(name) + 1))
}

func (c *cpioWriter) pad(written int64) error {
	_, err := c.w.Write(make([]byte, (4-written%4)%4))
	return err
}
