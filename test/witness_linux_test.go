package test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// neverReturn are the calls that strace -c does not count: it counts returns, and these have none. A recording has a row of each.
var neverReturn = []string{"exit", "exit_group"}

// TestStraceCountsTheSame compares a deterministic program's calls with what strace counts in another run of it, call for call.
func TestStraceCountsTheSame(t *testing.T) {
	needRoot(t)
	strace := needProgram(t, "strace")
	repository := makeRepository(t, needProgram(t, "git"))
	archive := filepath.Join(t.TempDir(), "x.tar")
	for name, command := range map[string][]string{
		"git log": {"git", "--no-pager", "-C", repository, "log", "--stat", "--format=fuller"},
		"tar":     {needProgram(t, "tar"), "-cf", archive, "-C", repository, "."},
	} {
		t.Run(name, func(t *testing.T) {
			quiet := func(cmd *exec.Cmd) output {
				cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
				return run(t, cmd)
			}
			// A first run leaves caches and the archive as the next ones find them.
			for range 2 {
				if out := quiet(exec.Command(command[0], command[1:]...)); out.status != 0 {
					t.Fatalf("%v: %s", command, out.stderr)
				}
			}
			table := filepath.Join(t.TempDir(), "strace")
			if out := quiet(exec.Command(strace, append([]string{"-f", "-c", "-o", table}, command...)...)); out.status != 0 {
				t.Fatalf("strace: %s", out.stderr)
			}
			want := straceCounts(t, table)
			capture := filepath.Join(t.TempDir(), "x.tape")
			if out := quiet(program(append([]string{"record", "-o", capture, "--"}, command...)...)); out.status != 0 {
				t.Fatalf("record: %s", out.stderr)
			}
			got, r := counts(t, capture)
			if r.Lost != 0 || r.Incomplete {
				t.Errorf("%d lost, incomplete %v", r.Lost, r.Incomplete)
			}
			for _, site := range neverReturn {
				if want[site] != 0 {
					t.Errorf("strace counts %d of %s, which never returns", want[site], site)
				}
				delete(got, site)
			}
			if !maps.Equal(got, want) {
				sites := slices.Sorted(maps.Keys(got))
				for site := range want {
					if _, ok := got[site]; !ok {
						sites = append(sites, site)
					}
				}
				for _, site := range sites {
					if got[site] != want[site] {
						t.Errorf("%s: recorded %d, strace counts %d", site, got[site], want[site])
					}
				}
			}
		})
	}
}

// straceCounts reads the table of strace -c: calls by name.
func straceCounts(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // % time, seconds, usecs/call, calls, [errors,] syscall
		if len(fields) < 5 {
			continue
		}
		calls, err := strconv.ParseUint(fields[3], 10, 64)
		if name := fields[len(fields)-1]; err == nil && name != "total" {
			found[name] += calls
		}
	}
	if len(found) < 5 {
		t.Fatalf("strace's table could not be read:\n%s", text)
	}
	return found
}

// makeRepository makes a git repository with some commits.
func makeRepository(t *testing.T, git string) string {
	t.Helper()
	dir := t.TempDir()
	in := func(args ...string) {
		cmd := exec.Command(git, append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.org"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
		if out := run(t, cmd); out.status != 0 {
			t.Fatalf("git %v: %s", args, out.stderr)
		}
	}
	in("init", "-q")
	for i := range 20 {
		name := filepath.Join(dir, fmt.Sprintf("file%d", i))
		if err := os.WriteFile(name, []byte(strings.Repeat(fmt.Sprintf("line of file %d\n", i), 50*i)), 0o644); err != nil {
			t.Fatal(err)
		}
		in("add", ".")
		in("commit", "-q", "-m", fmt.Sprintf("change %d", i))
	}
	in("gc", "-q")
	return dir
}
