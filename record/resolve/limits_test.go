package resolve_test

import (
	"fmt"
	"strings"
	"testing"

	"probetape/schemas/expr"
)

// TestLimits compiles the largest expressions that the language allows: as many operands in a row, as many inside one another, as many texts.
func TestLimits(t *testing.T) {
	host := testHost(t, "linux-6.18")
	repeat := func(n int, sep, format string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = strings.ReplaceAll(format, "%", fmt.Sprint(i))
		}
		return strings.Join(parts, sep)
	}
	nested := func(n int, open, inner, shut string) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	text := strings.Repeat("x", 64)
	for name, program := range map[string]string{
		"conditions in a row":           "syscall:openat /" + repeat(60, " && ", "arg0 != %") + "/",
		"unreadable ones in a row":      "kprobe:vfs_read /" + repeat(40, " && ", "args.file->f_pos != %") + "/",
		"unreadable ones, one of them":  "kprobe:vfs_read /" + repeat(40, " || ", "args.file->f_pos == %") + "/",
		"unreadable ones in turn":       "kprobe:vfs_read /" + repeat(16, " && ", "(args.file->f_pos == % || args.file->f_version == %)") + "/",
		"unreadable ones, nested right": "kprobe:vfs_read /" + nested(14, "args.file->f_pos == 1 && (", "args.file->f_pos == 2", ")") + "/",
		"sums, nested right":            "kprobe:vfs_read { x = " + nested(14, "args.file->f_pos + (", "args.file->f_pos", ")") + " }",
		"sums in a row":                 "kprobe:vfs_read { x = " + repeat(40, " + ", "args.file->f_pos") + " }",
		"quotients, nested right":       "kprobe:vfs_read { x = " + nested(14, "args.file->f_pos / (", "args.file->f_pos", ")") + " }",
		"choices, nested right":         "kprobe:vfs_read { x = " + nested(7, "args.count == 1 ? 2 : (", "3", ")") + " }",
		"choices of texts":              "kprobe:vfs_read { x = " + nested(7, `args.count == 1 ? "a" : (`, `"b"`, ")") + " }",
		"long texts compared":           "syscall:openat /" + repeat(20, " || ", `str(arg1) == "`+text+`"`) + "/",
		"long text in a deep place":     "kprobe:vfs_read /" + nested(13, "args.file->f_pos == 1 || (", `str(args.buf) == "`+text+`"`, ")") + "/",
		"members":                       "kprobe:vfs_read { x = args.file->f_path.dentry" + strings.Repeat("->d_parent", 40) + "->d_flags }",
		"fields":                        "syscall:openat { " + repeat(32, ", ", "f% = str(arg1, 256)") + " }",
		"casts":                         "syscall:openat { x = " + nested(7, "(u8)(u64)", "arg0", "") + " }",
	} {
		t.Run(name, func(t *testing.T) {
			plan, diags := checkText(host, &expr.Source{Name: "-e", Text: program})
			if plan == nil {
				t.Fatalf("%v\n%s", diags, program)
			}
			if err := compiles(plan); err != nil {
				t.Errorf("%v\n%s", err, program)
			}
		})
	}
}
