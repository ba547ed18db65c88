package test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestExitStatusIsTheCommands(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -TERM $$": 128 + int(syscall.SIGTERM)} {
		capture, out := record(t, want, "-e", "syscall:execve", "--", "sh", "-c", script)
		if !strings.Contains(out.stderr, "command exited") {
			t.Errorf("%q: record says: %s", script, out.stderr)
		}
		probetape(t, 0, "analyze", "--strict", capture)
	}
}

// TestWrongUsesOfTheHost are those that only a host can tell.
func TestWrongUsesOfTheHost(t *testing.T) {
	needRoot(t)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("text\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		want   []string
	}{
		{"record -p 4194303", 1, []string{"finding process 4194303: there is none", "hint: ps -e"}},
		{"record -- no-such-command", 127, []string{`"no-such-command": not found`, "hint: "}},
		{"record -- /no/such/command", 127, []string{"not found"}},
		{"record -- " + plain, 126, []string{"permission denied", "chmod +x"}},
		{"record --cgroup no-such-cgroup", 1, []string{`cgroup "no-such-cgroup"`, "hint: "}},
		{"record -a --listen 203.0.113.7:9435", 1, []string{"listening on 203.0.113.7:9435"}},
		{"record -a -o /proc/x.tape", 1, []string{"/proc/x.tape"}},
		{"record -a -e openat", 2, []string{"-e:1:1", "hint: "}},
		{"record -a -e trace=openat", 2, []string{"-e:1:", "hint: "}},
		{"record -a -e sycall:openat", 2, []string{"-e:1:1", "sycall", "hint: did you mean syscall"}},
		{"record -a -e syscall:opnat", 2, []string{"-e:1:9", "opnat", "openat"}},
		{"record -a -e tracepoint:sched:sched_swich", 2, []string{"sched_switch"}},
		{"record -a -e tracepoint:shed:sched_switch", 2, []string{"sched"}},
		{"record -a -e syscall:openat{args.filname}", 2, []string{"filname", "filename"}},
		{"record -a -e syscall:openat{conn}", 2, []string{"conn", "comm"}},
		{"record -a -e syscall:openat/pid=1/", 2, []string{"=="}},
		{"record -a -e syscall:openat{", 2, []string{"-e:1:"}},
		{"record -a -e uprobe:/bin/no-such-program:main", 2, []string{"/bin/no-such-program"}},
		{"record -a -e syscall:openat -e syscall:openat", 2, []string{"-e 2:1:1", "hint: "}},
		{"record -a -e=", 2, []string{"-e"}},
		{"analyze /no/such/capture", 1, []string{"/no/such/capture"}},
		{"analyze " + plain, 1, []string{"not a capture", "hint: "}},
		{"analyze " + filepath.Dir(plain), 1, []string{"not a capture"}},
		{"analyze " + t.TempDir(), 1, []string{"not a capture", "empty"}},
		{"analyze cunts " + plain, 2, []string{"did you mean probetape analyze counts?"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			args := strings.Fields(c.args)
			if args[0] == "record" {
				// What is taken for right use must not record for ever.
				args = append([]string{"record", "-d", "1s"}, args[1:]...)
			}
			cmd := program(args...)
			cmd.Dir = t.TempDir()
			out := run(t, cmd)
			if out.status != c.status {
				t.Errorf("status %d, want %d", out.status, c.status)
			}
			for _, want := range c.want {
				if !strings.Contains(out.stderr, want) {
					t.Errorf("%q is not said", want)
				}
			}
			if out.stdout != "" || strings.Contains(out.stderr, "panic") || strings.Count(out.stderr, "\n") > 12 {
				t.Errorf("stdout %q", out.stdout)
			}
			if t.Failed() {
				t.Log(out.stderr)
			}
			if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
				t.Errorf("it leaves %v behind (%v)", left, err)
			}
		})
	}
}

func TestWithoutPrivileges(t *testing.T) {
	needRoot(t)
	cmd := asNobody(t, program("record", "-a"))
	out := run(t, cmd)
	if out.status != 1 || !strings.Contains(out.stderr, "CAP_BPF") || strings.Count(out.stderr, "probetape: ") != 1 || !strings.Contains(out.stderr, "sudo") {
		t.Errorf("status %d: %s", out.status, out.stderr)
	}
	cmd = asNobody(t, program("record", "--", "ls"))
	if out := run(t, cmd); out.status != 125 {
		t.Errorf("with a command: status %d: %s", out.status, out.stderr)
	}
	// Wrong use is told before that.
	if out := run(t, asNobody(t, program("record", "-p", "x"))); out.status != 2 {
		t.Errorf("wrong use: status %d: %s", out.status, out.stderr)
	}
}

func TestFlagsBehindTheCommandAreItsOwn(t *testing.T) {
	needRoot(t)
	cmd := program("record", "-e", "syscall:execve", "sh", "-c", "exit 3", "-d", "3")
	cmd.Dir = t.TempDir()
	out := run(t, cmd)
	if out.status != 3 || !strings.Contains(out.stderr, "-d 3 came after the command") {
		t.Errorf("status %d: %s", out.status, out.stderr)
	}
	names, err := filepath.Glob(filepath.Join(cmd.Dir, "*.tape"))
	if err != nil || len(names) != 1 {
		t.Errorf("the default name: %q, %v", names, err)
	}
}

func TestDryRunAttachesNothing(t *testing.T) {
	needRoot(t)
	cmd := program("record", "--dry-run", "-a", "-e", "syscall:openat /retval < 0/ { path = str(args.filename), retval }", "-k", "sched")
	cmd.Dir = t.TempDir()
	out := run(t, cmd)
	if out.status != 0 {
		t.Fatalf("status %d: %s", out.status, out.stderr)
	}
	for _, want := range []string{"table syscall:openat", "path string, at most", "retval i64", "at the return", "table switch", "sched_switch", "kernel memory", "bytes", "nothing"} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("the plan does not say %q", want)
		}
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Errorf("a dry run leaves %v behind (%v)", left, err)
	}
	if t.Failed() {
		t.Log(out.stdout)
	}
}
