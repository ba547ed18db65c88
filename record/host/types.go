package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/record/resolve"
)

// btfDir holds the types of the kernel (vmlinux) and of its loaded modules.
const btfDir = "/sys/kernel/btf"

// Types implements resolve.Host.
func (h *Host) Types(module string) (*btf.Spec, error) {
	if module == "" {
		return h.kernelTypes()
	}
	return h.moduleTypes.get(module, func() (*btf.Spec, error) { return h.loadModuleTypes(module) })
}

func (h *Host) loadKernelTypes() (*btf.Spec, error) {
	if h.running {
		// It maps the file: 1 MB of memory for indices instead of 6, and types are decoded when they are asked for.
		spec, err := btf.LoadKernelSpec()
		if errors.Is(err, btf.ErrNotSupported) {
			err = fs.ErrNotExist
		}
		return spec, access("the kernel's types (BTF)", btfDir+"/vmlinux", err, "this kernel was built without CONFIG_DEBUG_INFO_BTF")
	}
	raw, err := os.ReadFile(h.at(btfDir + "/vmlinux"))
	if err != nil {
		return nil, access("the kernel's types (BTF)", btfDir+"/vmlinux", err)
	}
	return btf.LoadSplitSpecFromReader(bytes.NewReader(raw), nil)
}

func (h *Host) loadModuleTypes(module string) (*btf.Spec, error) {
	base, err := h.kernelTypes()
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(module, "/\x00") {
		return nil, fmt.Errorf("reading types of module %q: %w", module, fs.ErrNotExist)
	}
	raw, err := os.ReadFile(h.at(btfDir + "/" + module))
	if err != nil {
		return nil, access("the types (BTF) of module "+module, btfDir+"/"+module, err,
			"the module is not loaded, or this kernel keeps no types of modules (CONFIG_DEBUG_INFO_BTF_MODULES, Linux 5.11)")
	}
	spec, err := btf.LoadSplitSpecFromReader(bytes.NewReader(raw), base)
	if err != nil {
		return nil, fmt.Errorf("reading types of module %q: %w", module, err)
	}
	return spec, nil
}

// rawPrefix begins the name of the type that the kernel makes for each tracepoint (include/trace/bpf_probe.h, Linux 5.5).
const rawPrefix = "btf_trace_"

func (h *Host) listRawTracepoints() ([]resolve.RawTracepoint, error) {
	entries, err := os.ReadDir(h.at(btfDir))
	if err != nil {
		return nil, access("the kernel's types (BTF)", btfDir, err, "this kernel was built without CONFIG_DEBUG_INFO_BTF")
	}
	kernel, err := os.ReadFile(h.at(btfDir + "/vmlinux"))
	if err != nil {
		return nil, access("the kernel's types (BTF)", btfDir+"/vmlinux", err, "this kernel was built without CONFIG_DEBUG_INFO_BTF")
	}
	names, base, err := typedefs(kernel, nil, rawPrefix)
	if err != nil {
		return nil, fmt.Errorf("listing raw tracepoints: %s/vmlinux: %w", btfDir, err)
	}
	list := make([]resolve.RawTracepoint, 0, len(names))
	for _, n := range names {
		list = append(list, resolve.RawTracepoint{Name: n})
	}
	for _, e := range entries {
		if e.Name() == "vmlinux" {
			continue
		}
		raw, err := os.ReadFile(h.at(btfDir + "/" + e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // unloaded meanwhile
		}
		if err != nil {
			return nil, access("the types (BTF) of module "+e.Name(), btfDir+"/"+e.Name(), err)
		}
		names, _, err := typedefs(raw, base, rawPrefix)
		if err != nil {
			return nil, fmt.Errorf("listing raw tracepoints: %s/%s: %w", btfDir, e.Name(), err)
		}
		for _, n := range names {
			list = append(list, resolve.RawTracepoint{Name: n, Module: e.Name()})
		}
	}
	slices.SortFunc(list, func(a, b resolve.RawTracepoint) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Module, b.Module)
	})
	return list, nil
}
