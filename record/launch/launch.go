// Package launch starts a command that waits: its process exists, so that it can be made a target and probes can be put in place,
// but it runs nothing of its own until it is released.
//
// The waiting process is this program itself, started again under another name (see Main): it holds no thread of the command's,
// takes the invoking user's identity only when it is released, and then becomes the command by one execve. Nothing is ptraced.
//
// It imports the standard library only, starts commands on Linux, and says so elsewhere.
package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Command is what to run.
type Command struct {
	Path string   // of the executable
	Args []string // Args[0] is the name as it was typed
	Env  []string // KEY=value
	User *User    // nil: whoever runs the recorder
}

// User is somebody to run a command as.
type User struct {
	UID    uint32
	GID    uint32
	Groups []uint32 // supplementary
	Name   string   // empty where the host's user database does not know the user id
	Home   string
}

// NotFoundError is returned for a command that does not exist.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("finding command %q: not found", e.Name) }

// Hints says what to type instead.
func (e *NotFoundError) Hints() []string {
	if strings.ContainsRune(e.Name, filepath.Separator) {
		return []string{"the path does not exist here"}
	}
	return []string{"it is in no folder of PATH; a command of the shell's own is run by: -- sh -c '" + e.Name + "'"}
}

// CannotRunError is returned for a command that exists but cannot be run.
type CannotRunError struct {
	Name string
	Err  error
}

func (e *CannotRunError) Error() string { return fmt.Sprintf("running command %q: %v", e.Name, e.Err) }
func (e *CannotRunError) Unwrap() error { return e.Err }

// Hints says what to do about the common causes.
func (e *CannotRunError) Hints() []string {
	switch {
	case errors.Is(e.Err, syscall.ENOEXEC):
		return []string{"the file is no program and has no #! line: run it by its interpreter, -- sh " + e.Name}
	case errors.Is(e.Err, fs.ErrPermission):
		return []string{"its file needs the execute permission for the user it runs as: chmod +x " + e.Name}
	}
	return nil
}

// Find makes the command for what was typed: args[0] is looked up in PATH as a shell would.
func Find(args, env []string, as *User) (*Command, error) {
	path, err := exec.LookPath(args[0])
	// A program of the current folder that PATH names by "." is what the shell would run, too.
	if err != nil && !errors.Is(err, exec.ErrDot) {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return nil, &NotFoundError{Name: args[0]}
		}
		var pathErr *exec.Error
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, &CannotRunError{Name: args[0], Err: err}
	}
	return &Command{Path: path, Args: args, Env: userEnv(env, as), User: as}, nil
}

// userEnv gives a command that runs as another user that user's name and home: sudo has set them to root's, and a command that
// looks for its settings in root's home would behave as it never does for the user.
func userEnv(env []string, as *User) []string {
	if as == nil {
		return env
	}
	set := map[string]string{}
	if as.Home != "" {
		set["HOME"] = as.Home
	}
	if as.Name != "" {
		set["USER"], set["LOGNAME"] = as.Name, as.Name
	}
	changed := make([]string, 0, len(env)+len(set))
	for _, kv := range env {
		key, _, _ := strings.Cut(kv, "=")
		if value, ok := set[key]; ok {
			kv = key + "=" + value
			delete(set, key)
		}
		changed = append(changed, kv)
	}
	for _, key := range []string{"HOME", "USER", "LOGNAME"} {
		if value, ok := set[key]; ok {
			changed = append(changed, key+"="+value)
		}
	}
	return changed
}

// SudoUser returns the user who called sudo, from the variables that it sets; nil where the program was not started by sudo from
// another user, or is not run by root.
func SudoUser(getenv func(string) string) (*User, error) {
	if os.Geteuid() != 0 || getenv("SUDO_UID") == "" {
		return nil, nil
	}
	uid, err := parseID("SUDO_UID", getenv("SUDO_UID"))
	if err != nil {
		return nil, err
	}
	gid, err := parseID("SUDO_GID", getenv("SUDO_GID"))
	if err != nil {
		return nil, err
	}
	if uid == 0 {
		return nil, nil
	}
	u := &User{UID: uid, GID: gid, Groups: []uint32{gid}}
	known, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		var unknown user.UnknownUserIdError
		if errors.As(err, &unknown) {
			return u, nil // a user of a directory service that this build does not ask: its primary group is all that is known
		}
		return nil, fmt.Errorf("looking up user id %d: %w", uid, err)
	}
	u.Name, u.Home = known.Username, known.HomeDir
	ids, err := known.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("looking up the groups of user %q: %w", known.Username, err)
	}
	u.Groups = u.Groups[:0]
	for _, text := range ids {
		id, err := parseID("group id", text)
		if err != nil {
			return nil, err
		}
		u.Groups = append(u.Groups, id)
	}
	return u, nil
}

func parseID(what, text string) (uint32, error) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %q is not a number", what, text)
	}
	return uint32(id), nil
}

// Status is how a command ended.
type Status struct {
	Code   int // its exit status, or 128 + Signal
	Signal syscall.Signal
	Dumped bool // the signal left a core dump
}

// String says it in words.
func (s Status) String() string {
	switch {
	case s.Signal != 0 && s.Dumped:
		return fmt.Sprintf("killed by signal %d (%v), core dumped", int(s.Signal), s.Signal)
	case s.Signal != 0:
		return fmt.Sprintf("killed by signal %d (%v)", int(s.Signal), s.Signal)
	}
	return fmt.Sprintf("exit status %d", s.Code)
}
