package resolve

import (
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// The basic types of C on 64-bit Linux, and the kernel's own names for them.
func basicType(name string) btf.Type {
	size, encoding := uint32(0), btf.Unsigned
	switch name {
	case "void":
		return &btf.Void{}
	case "_Bool", "bool":
		size, encoding = 1, btf.Bool
	case "char", "signed char", "s8", "__s8", "int8_t", "i8":
		size, encoding = 1, btf.Signed
	case "unsigned char", "u8", "__u8", "uint8_t":
		size = 1
	case "short", "short int", "signed short", "s16", "__s16", "int16_t", "i16":
		size, encoding = 2, btf.Signed
	case "unsigned short", "short unsigned int", "unsigned short int", "u16", "__u16", "uint16_t", "umode_t", "__be16", "__le16":
		size = 2
	case "int", "signed", "signed int", "s32", "__s32", "int32_t", "i32", "pid_t", "clockid_t", "key_t", "timer_t", "mqd_t", "key_serial_t",
		"rwf_t", "__kernel_timer_t":
		size, encoding = 4, btf.Signed
	case "unsigned int", "unsigned", "uint", "u32", "__u32", "uint32_t", "uid_t", "gid_t", "dev_t", "qid_t", "old_uid_t", "gfp_t",
		"__be32", "__le32", "mode_t", "fmode_t", "tid_t":
		size = 4
	case "long", "long int", "signed long", "long long", "long long int", "s64", "__s64", "int64_t", "i64", "ssize_t", "loff_t", "off_t",
		"time_t", "time64_t", "ptrdiff_t", "intptr_t", "__kernel_old_time_t", "ktime_t":
		size, encoding = 8, btf.Signed
	case "unsigned long", "long unsigned int", "unsigned long int", "unsigned long long", "long long unsigned int", "u64", "__u64", "uint64_t",
		"size_t", "uintptr_t", "sector_t", "ino_t", "aio_context_t", "cap_user_header_t", "cap_user_data_t", "__be64", "__le64", "compat_u64":
		size = 8
	default:
		return nil
	}
	t := &btf.Int{Name: name, Size: size, Encoding: encoding}
	if strings.Contains(name, " ") || name == "char" || name == "int" || name == "long" || name == "short" || name == "bool" || name == "_Bool" {
		return t
	}
	base := &btf.Int{Name: cIntName(size, encoding), Size: size, Encoding: encoding}
	return &btf.Typedef{Name: name, Type: base}
}

func cIntName(size uint32, e btf.IntEncoding) string {
	names := map[uint32]string{1: "char", 2: "short", 4: "int", 8: "long"}
	switch {
	case e == btf.Bool:
		return "_Bool"
	case e == btf.Signed && size == 1:
		return "signed char"
	case e == btf.Signed:
		return names[size]
	}
	return "unsigned " + names[size]
}

// maxArray bounds the arrays that a format may speak of: they are in records of at most 8 KiB.
const maxArray = 1 << 16

// parseCType reads a type as the kernel's tracepoint formats and system calls write it: "const char *", "unsigned long [6]", "struct
// sock *". named looks up what is no basic type, by its tag (struct, union, enum or empty) and name; it may return nil. The result is nil
// where the text is no type that is known.
func parseCType(text string, named func(tag, name string) btf.Type) btf.Type {
	text = strings.TrimSpace(text)
	count := -1
	if open := strings.IndexByte(text, '['); open >= 0 && strings.HasSuffix(text, "]") {
		inner := strings.TrimSpace(text[open+1 : len(text)-1])
		count = 0
		if inner != "" {
			n, err := strconv.ParseUint(inner, 0, 32)
			if err != nil || n > maxArray {
				return nil
			}
			count = int(n)
		}
		text = strings.TrimSpace(text[:open])
	}
	stars := 0
	var words []string
	user := false
	for _, w := range strings.Fields(strings.ReplaceAll(text, "*", " * ")) {
		switch w {
		case "*":
			stars++
		case "const", "volatile", "restrict", "__restrict", "__rcu", "__percpu", "__iomem", "__force", "__seg_gs":
		case "__user":
			user = true
		default:
			if stars > 0 {
				return nil
			}
			words = append(words, w)
		}
	}
	t := namedCType(words, named)
	if t == nil {
		if stars == 0 || len(words) == 0 {
			return nil
		}
		t = &btf.Fwd{Name: words[len(words)-1]}
	}
	if user && stars > 0 {
		t = &btf.TypeTag{Type: t, Value: "user"}
	}
	for range min(stars, 4) {
		t = &btf.Pointer{Target: t}
	}
	if count >= 0 {
		t = &btf.Array{Type: t, Index: basicType("u32"), Nelems: uint32(count)}
	}
	return t
}

func namedCType(words []string, named func(tag, name string) btf.Type) btf.Type {
	if len(words) == 0 {
		return nil
	}
	switch words[0] {
	case "struct", "union", "enum":
		if len(words) != 2 {
			return nil
		}
		return named(words[0], words[1])
	}
	name := strings.Join(words, " ")
	if t := named("", name); t != nil {
		return t
	}
	return basicType(name)
}
