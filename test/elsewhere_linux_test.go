package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// questions are what is asked of one capture in several places.
var questions = [][]string{
	{"analyze", "summary", "x.tape"},
	{"analyze", "summary", "--format", "json", "x.tape"},
	{"analyze", "counts", "--by", "comm,site", "--top", "0", "x.tape"},
	{"analyze", "latency", "--format", "csv", "x.tape"},
	{"analyze", "latency", "--format", "json", "--buckets", "x.tape"},
	{"analyze", "events", "x.tape"},
	{"analyze", "events", "--format", "json", "x.tape"},
	{"analyze", "prometheus", "x.tape"},
}

// recordWork records something of everything and returns the capture.
func recordWork(t *testing.T) string {
	t.Helper()
	capture, _ := record(t, 0, "-k", "syscalls,sched,files", "--", "sh", "-c", "ls -l / /bin >/dev/null; cat /no/such/file 2>/dev/null; sleep 0.05; exit 0")
	return capture
}

// TestAnotherMachine: an unprivileged user in a root folder that holds nothing but the program and the capture, without /proc and /sys,
// reads the same.
func TestAnotherMachine(t *testing.T) {
	capture := recordWork(t)
	root := t.TempDir()
	for dir := root; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, info.Mode().Perm()|0o055); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, built.program, filepath.Join(root, "probetape"), 0o755)
	copyTree(t, capture, filepath.Join(root, "x.tape"), nobody)
	for _, q := range questions {
		here := program(q...)
		here.Dir = filepath.Dir(capture)
		want := run(t, here)
		there := &exec.Cmd{Path: "/probetape", Args: append([]string{"probetape"}, q...), Env: []string{}, Dir: "/"}
		there.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		got := run(t, there)
		if want.status != 0 || len(want.stdout) == 0 {
			t.Fatalf("%v: status %d: %s", q, want.status, want.stderr)
		}
		if got != want {
			t.Errorf("%v: elsewhere status %d, %d bytes, %s; here %d bytes", q, got.status, len(got.stdout), got.stderr, len(want.stdout))
		}
	}
}

// TestAnotherBuild: a build for another architecture, with words of another size, prints the same bytes.
func TestAnotherBuild(t *testing.T) {
	gotool := needProgram(t, "go")
	capture := recordWork(t)
	other := filepath.Join(t.TempDir(), "probetape")
	build := exec.Command(gotool, "build", "-o", other, "../cmd/probetape")
	build.Env = append(os.Environ(), "GOARCH=386", "CGO_ENABLED=0")
	if out := run(t, build); out.status != 0 {
		t.Fatalf("building for 386: %s", out.stderr)
	}
	for _, q := range questions {
		here, there := program(q...), exec.Command(other, q...)
		here.Dir, there.Dir = filepath.Dir(capture), filepath.Dir(capture)
		want, got := run(t, here), run(t, there)
		if want.status != 0 || got != want {
			t.Errorf("%v: 386 prints %d bytes, status %d, %s; amd64 %d bytes, status %d", q, len(got.stdout), got.status, clip(got.stderr), len(want.stdout), want.status)
		}
	}
}

func TestOtherSystemsBuild(t *testing.T) {
	gotool := needProgram(t, "go")
	for _, target := range []string{"darwin/arm64", "windows/amd64", "linux/arm64", "freebsd/amd64"} {
		system, arch := filepath.Split(target)
		build := exec.Command(gotool, "build", "-o", filepath.Join(t.TempDir(), "probetape"), "../cmd/probetape")
		build.Env = append(os.Environ(), "GOOS="+filepath.Clean(system), "GOARCH="+arch, "CGO_ENABLED=0")
		if out := run(t, build); out.status != 0 {
			t.Errorf("%s: %s", target, out.stderr)
		}
	}
}
