package launch

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// start starts a held command that writes its standard output to a file.
func start(t *testing.T, c *Command) *Held {
	t.Helper()
	h, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Abandon(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func find(t *testing.T, args ...string) *Command {
	t.Helper()
	c, err := Find(args, os.Environ(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCommandWaitsForRelease(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	h := start(t, find(t, "sh", "-c", `printf %s "$1" >"$0"; exit 7`, mark, "a\xffb"))
	time.Sleep(50 * time.Millisecond)
	if _, err := os.Stat(mark); err == nil {
		t.Fatal("the command ran before it was released")
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	held, err := os.Readlink("/proc/" + itoa(h.PID) + "/exe")
	if err != nil || held != exe {
		t.Fatalf("the waiting process runs %q, %v; want %q", held, err, exe)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	// Release returns after the execve: the process is the command by now, or has been.
	if now, err := os.Readlink("/proc/" + itoa(h.PID) + "/exe"); err == nil && now == exe {
		t.Error("Release returned before the execve")
	}
	status, err := h.Wait()
	if err != nil || status.Code != 7 {
		t.Fatalf("Wait = %v, %v; want exit status 7", status, err)
	}
	if text, err := os.ReadFile(mark); err != nil || !bytes.Equal(text, []byte("a\xffb")) {
		t.Fatalf("the command got %q, %v; want its argument byte for byte", text, err)
	}
}

func itoa(n uint32) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

func TestKilledCommand(t *testing.T) {
	h := start(t, find(t, "sh", "-c", "kill -TERM $$"))
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	status, err := h.Wait()
	if err != nil || status.Signal != syscall.SIGTERM || status.Code != 128+15 {
		t.Fatalf("Wait = %+v, %v; want killed by SIGTERM, code 143", status, err)
	}
	if !strings.Contains(status.String(), "signal 15") {
		t.Errorf("String() = %q, which does not name the signal", status)
	}
}

func TestAbandonRunsNothing(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	h, err := Start(find(t, "touch", mark))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Abandon(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(int(h.PID), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the waiting process is still there: %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command ran though it was abandoned")
	}
}

func TestNotFound(t *testing.T) {
	for _, name := range []string{"no-such-command-here", "./no/such/path"} {
		var missing *NotFoundError
		if _, err := Find([]string{name}, nil, nil); !errors.As(err, &missing) {
			t.Errorf("Find(%q) = %v; want a *NotFoundError", name, err)
		} else if len(missing.Hints()) == 0 {
			t.Errorf("Find(%q): no hint", name)
		}
	}
}

func TestCannotRun(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	var refused *CannotRunError
	if _, err := Find([]string{plain}, nil, nil); !errors.As(err, &refused) {
		t.Errorf("Find of a file without execute permission = %v; want a *CannotRunError", err)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("echo no first line\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := start(t, find(t, script))
	err := h.Release()
	if !errors.As(err, &refused) || !errors.Is(err, syscall.ENOEXEC) || len(refused.Hints()) == 0 {
		t.Errorf("Release of a script without #! = %v; want ENOEXEC with a hint", err)
	}
	if status, err := h.Wait(); err != nil || status.Code != 127 {
		t.Errorf("Wait = %v, %v", status, err)
	}
}

func TestRunsAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	out := filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(out, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(out, 0o666); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(out); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	as := &User{UID: 65534, GID: 65533, Groups: []uint32{65533, 100}, Name: "somebody", Home: "/nonexistent"}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=/root", "KEEP=this"}
	c, err := Find([]string{"sh", "-c", `echo "$(id -u) $(id -g) $(id -G) $HOME $USER $LOGNAME $KEEP" >` + out}, env, as)
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, c)
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if status, err := h.Wait(); err != nil || status.Code != 0 {
		t.Fatalf("Wait = %v, %v", status, err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	const want = "65534 65533 65533 100 /nonexistent somebody somebody this\n"
	if string(got) != want {
		t.Errorf("the command ran as %q, want %q", got, want)
	}
}

func TestSudoUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: sudo's variables mean something to root only")
	}
	env := func(kv map[string]string) func(string) string { return func(k string) string { return kv[k] } }
	if u, err := SudoUser(env(nil)); u != nil || err != nil {
		t.Errorf("without sudo: %v, %v", u, err)
	}
	if u, err := SudoUser(env(map[string]string{"SUDO_UID": "0", "SUDO_GID": "0"})); u != nil || err != nil {
		t.Errorf("root's own sudo: %v, %v", u, err)
	}
	u, err := SudoUser(env(map[string]string{"SUDO_UID": "4000000", "SUDO_GID": "77"}))
	if err != nil || u == nil || u.UID != 4000000 || len(u.Groups) != 1 || u.Groups[0] != 77 {
		t.Errorf("a user that the host does not know: %+v, %v", u, err)
	}
	if _, err := SudoUser(env(map[string]string{"SUDO_UID": "mallory", "SUDO_GID": "1"})); err == nil {
		t.Error("a SUDO_UID that is no number gave no error")
	}
}
