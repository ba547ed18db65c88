package tracefs

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// describe writes a format as the golden files have it.
func describe(f *Format) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s id %d\n", f.Name, f.ID)
	for i, list := range [][]Field{f.Common, f.Fields} {
		for _, d := range list {
			place := map[Place]string{Fixed: "fixed", DataLoc: "data_loc", RelLoc: "rel_loc", Rest: "rest"}[d.Place]
			fmt.Fprintf(&out, "%s %s | %s | at %d size %d array %d signed %v %s\n", [2]string{"common", "own"}[i], d.Name, d.Type, d.Offset, d.Size, d.Array, d.Signed, place)
		}
	}
	fmt.Fprintf(&out, "print %.40s\n", f.Print)
	return out.String()
}

func TestParseFormat(t *testing.T) {
	files, err := filepath.Glob("testdata/formats/*.[0-9]*")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, ".parsed") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ParseFormat(string(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, golden := describe(f), name+".parsed"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseField(t *testing.T) {
	const tail = ";\toffset:8;\tsize:4;\tsigned:1;"
	for text, want := range map[string]Field{
		"int x" + tail:                             {Name: "x", Type: "int", Offset: 8, Size: 4, Signed: true},
		"const char * filename" + tail:             {Name: "filename", Type: "const char *", Offset: 8, Size: 4, Signed: true},
		"char *filename" + tail:                    {Name: "filename", Type: "char *", Offset: 8, Size: 4, Signed: true},
		"char comm[16]" + tail:                     {Name: "comm", Type: "char", Array: 16, Offset: 8, Size: 4, Signed: true},
		"u8 mac[0x6]" + tail:                       {Name: "mac", Type: "u8", Array: 6, Offset: 8, Size: 4, Signed: true},
		"char rwbs[RWBS_LEN]" + tail:               {Name: "rwbs", Type: "char", Offset: 8, Size: 4, Signed: true},
		"__data_loc char[] name" + tail:            {Name: "name", Type: "char", Place: DataLoc, Offset: 8, Size: 4, Signed: true},
		"__rel_loc u32[] ids" + tail:               {Name: "ids", Type: "u32", Place: RelLoc, Offset: 8, Size: 4, Signed: true},
		"__data_loc unsigned long[] args" + tail:   {Name: "args", Type: "unsigned long", Place: DataLoc, Offset: 8, Size: 4, Signed: true},
		"unsigned long args[];offset:8;size:0;":    {Name: "args", Type: "unsigned long", Place: Rest, Offset: 8},
		"enum hrtimer_mode mode" + tail:            {Name: "mode", Type: "enum hrtimer_mode", Offset: 8, Size: 4, Signed: true},
		"struct foo bar[2];\toffset:0;\tsize:64;":  {Name: "bar", Type: "struct foo", Array: 2, Size: 64},
		"bool ok;\toffset:12;\tsize:1;\tsigned:0;": {Name: "ok", Type: "bool", Offset: 12, Size: 1},
	} {
		got, err := parseField(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, bad := range []string{
		"", "int x", "int" + tail, "x" + tail, ";offset:1;size:1;", "int x[2" + tail + "]", "int x];offset:0;size:4;",
		"int x;offset:-1;size:4;", "int x;offset:8;", "int x;size:8;", "int x;offset:65536;size:4;", "int x;offset:0;size:99999999999;",
		"__data_loc char[] name;offset:8;size:8;", "__data_loc char[] ;offset:8;size:4;",
	} {
		if f, err := parseField(bad); err == nil {
			t.Errorf("%q: %+v", bad, f)
		}
	}
}

func TestDamagedFormat(t *testing.T) {
	text, err := os.ReadFile("testdata/formats/sched_switch.6.18")
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	for name, bad := range map[string]string{
		"empty":       "",
		"no name":     strings.Replace(good, "name: sched_switch\n", "", 1),
		"no id":       good[strings.Index(good, "format:"):],
		"id":          strings.Replace(good, "ID: ", "ID: x", 1),
		"a key":       "colour: red\n" + good,
		"no common":   "name: x\nID: 1\nformat:\n\nprint fmt: \"\"\n",
		"field":       strings.Replace(good, "offset:8;", "offset:eight;", 1),
		"html":        "<html><body>404</body></html>",
		"1 MiB":       good + strings.Repeat(" ", maxFormat),
		"binary data": "\x7fELF\x02\x01\x01",
	} {
		if _, err := ParseFormat(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseFormat(f *testing.F) {
	files, err := filepath.Glob("testdata/formats/*.[0-9]*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		format, err := ParseFormat(text)
		if err != nil {
			return
		}
		for _, list := range [][]Field{format.Common, format.Fields} {
			for _, field := range list {
				if field.Name == "" || field.Type == "" || field.Offset < 0 || field.Size < 0 || field.Offset+field.Size > maxRecord {
					t.Fatalf("%+v", field)
				}
			}
		}
	})
}

// write makes a tree of files.
func write(t *testing.T, files map[string]string) FS {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return FS{root}
}

func TestEvents(t *testing.T) {
	want := []Event{{"irq", "softirq_entry"}, {"sched", "sched_switch"}, {"sched", "sched_waking"}}
	listed := write(t, map[string]string{
		"available_events": "sched:sched_waking\nirq:softirq_entry\nsched:sched_switch\nftrace:function\nnonsense\n", "events/sched/enable": "0",
	})
	walked := write(t, map[string]string{
		"events/sched/sched_waking/format": "", "events/sched/sched_switch/format": "", "events/irq/softirq_entry/format": "",
		"events/irq/enable": "0", "events/enable": "0", "events/ftrace/function/format": "",
	})
	for name, f := range map[string]FS{"listed": listed, "walked": walked} {
		got, err := f.Events()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		if ok, err := f.Mounted(); !ok || err != nil {
			t.Errorf("%s: mounted %v, %v", name, ok, err)
		}
	}
	empty := FS{t.TempDir()}
	if ok, err := empty.Mounted(); ok || err != nil {
		t.Errorf("an empty folder: mounted %v, %v", ok, err)
	}
	if _, err := empty.Events(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestFormatFile(t *testing.T) {
	text, err := os.ReadFile("testdata/formats/sched_switch.6.18")
	if err != nil {
		t.Fatal(err)
	}
	f := write(t, map[string]string{"events/sched/sched_switch/format": string(text), "events/sched/bad/format": "?", "secret/format": string(text)})
	got, err := f.Format("sched", "sched_switch")
	if err != nil || got.Name != "sched_switch" || len(got.Fields) != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := f.Format("sched", "bad"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a damaged format: %v", err)
	}
	for _, name := range [][2]string{{"sched", "absent"}, {"absent", "sched_switch"}, {"..", "secret"}, {"sched", "../../secret"}, {"", "x"}, {"sched", ""}, {"sched", "a\x00b"}} {
		if _, err := f.Format(name[0], name[1]); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func BenchmarkParseFormat(b *testing.B) {
	text, err := os.ReadFile("testdata/formats/sched_switch.6.18")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseFormat(string(text)); err != nil {
			b.Fatal(err)
		}
	}
}
