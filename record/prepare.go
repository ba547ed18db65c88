package record

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"probetape/record/compile"
	"probetape/record/proc"
	"probetape/record/resolve"
	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

// Prepared is a recording that has been checked against the host and compiled: what a dry run shows, and Run loads.
type Prepared struct {
	Plan       *resolve.Plan
	Program    *compile.Program
	CgroupDir  string           // targets in a cgroup: its folder
	CgroupPath string           // and its path below the mount
	Assumed    string           // what could not be found out without privileges, and was assumed
	Notes      expr.Diagnostics // on the probe text; no errors

	parsed      *spec.Program
	syscallName func(abi schemas.ABI, number int32) string
}

// Sites returns the sites as planned.
func (p *Prepared) Sites() []schemas.Site {
	sites := make([]schemas.Site, len(p.Program.Sites))
	for i := range sites {
		sites[i] = p.Program.Sites[i].Site
	}
	return sites
}

// mode says how the kernel is to select.
func (t *Targets) mode() compile.TargetMode {
	switch {
	case t.All:
		return compile.TargetAll
	case t.Cgroup != "":
		return compile.TargetCgroup
	}
	return compile.TargetPIDs
}

// CheckTargets returns an error for targets that do not exist.
func CheckTargets(t Targets) error {
	if !t.All && t.Cgroup == "" && !t.Command && len(t.PIDs) == 0 {
		return ErrNoTarget
	}
	for _, pid := range t.PIDs {
		if pid == uint32(os.Getpid()) {
			return fmt.Errorf("finding process %d: it is the recorder itself", pid)
		}
	}
	return CheckPIDs(proc.FS{Root: proc.Mounted}, t.PIDs)
}

// probeText joins the sources as one text, each under a line that says where it came from.
func probeText(sources []Source) string {
	var b strings.Builder
	for _, s := range sources {
		kind := ""
		if s.Kit {
			kind = "kit "
		}
		fmt.Fprintf(&b, "# %s%s\n%s\n", kind, s.Name, strings.TrimRight(s.Text, "\n"))
	}
	return b.String()
}

// manifest describes a recording that begins.
func (p *Prepared) manifest(opts *Options, host schemas.Host, targets []string, start int64) schemas.Manifest {
	var id [16]byte
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return schemas.Manifest{
		Major: schemas.FormatMajor, Minor: schemas.FormatMinor,
		ID:          hex.EncodeToString(id[:]),
		Tool:        opts.Tool,
		Host:        host,
		Start:       start,
		Command:     opts.Args,
		Targets:     targets,
		Probes:      probeText(opts.Sources),
		FlushNS:     int64(opts.Flush),
		RecorderPID: uint32(os.Getpid()),
	}
}
