// Command arithmetic writes testdata/arithmetic.txt: expressions over variables of C's integer types, and what a C compiler makes of them. It needs gcc.
//
//	go run ./testdata/arithmetic > testdata/arithmetic.txt
package main

import (
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The variables, as the test's function has its parameters.
var variables = []struct{ name, ctype string }{
	{"a", "signed char"}, {"b", "unsigned char"}, {"c", "short"}, {"d", "unsigned short"},
	{"e", "int"}, {"f", "unsigned int"}, {"g", "long"}, {"h", "unsigned long"},
}

func main() {
	r := rand.New(rand.NewPCG(3, 3))
	var exprs []string
	for range 400 {
		exprs = append(exprs, expression(r, 3))
	}
	var c strings.Builder
	c.WriteString("#include <stdio.h>\n#define SHOW(t, x) _Generic((x), int: printf(\"%s\\ti32 %lld\\n\", t, (long long)(x)), unsigned: printf(\"%s\\tu32 %llu\\n\", t, (unsigned long long)(x)), " +
		"long: printf(\"%s\\ti64 %lld\\n\", t, (long long)(x)), unsigned long: printf(\"%s\\tu64 %llu\\n\", t, (unsigned long long)(x)), " +
		"signed char: printf(\"%s\\ti8 %lld\\n\", t, (long long)(x)), unsigned char: printf(\"%s\\tu8 %llu\\n\", t, (unsigned long long)(x)), " +
		"short: printf(\"%s\\ti16 %lld\\n\", t, (long long)(x)), unsigned short: printf(\"%s\\tu16 %llu\\n\", t, (unsigned long long)(x)))\n")
	c.WriteString("static void all(int k, signed char a, unsigned char b, short c, unsigned short d, int e, unsigned f, long g, unsigned long h) {\n")
	c.WriteString("printf(\"values\\t%d %d %d %d %d %u %ld %lu\\n\", a, b, c, d, e, f, g, h);\n")
	for i, x := range exprs {
		fmt.Fprintf(&c, "if (k == %d) SHOW(%q, %s);\n", i%4, x, x)
	}
	c.WriteString("}\nint main(void) {\n")
	for k, v := range []string{
		"-1, 255, -32768, 65535, -2147483647 - 1, 4294967295u, -1, 18446744073709551615ul",
		"127, 128, 300, 40000, 2147483647, 2147483648u, 9223372036854775807, 9223372036854775808ul",
		"-128, 1, -300, 7, -70000, 3000000000u, -5000000000, 5000000000ul",
		"3, 200, 12, 513, 99, 1000, 123456789012, 17",
	} {
		fmt.Fprintf(&c, "all(%d, %s);\n", k, v)
	}
	c.WriteString("}\n")
	dir, err := os.MkdirTemp("", "arithmetic")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	source, program := filepath.Join(dir, "a.c"), filepath.Join(dir, "a")
	if err := os.WriteFile(source, []byte(c.String()), 0o600); err != nil {
		log.Fatal(err)
	}
	// Signed numbers wrap, as they do in a BPF program.
	if out, err := exec.Command("gcc", "-fwrapv", "-w", "-o", program, source).CombinedOutput(); err != nil {
		log.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("# What gcc makes of expressions over a i8, b u8, c i16, d u16, e i32, f u32, g i64, h u64. Written by testdata/arithmetic; do not edit.")
	fmt.Print(string(out))
}

func expression(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(5) == 0 {
		return variables[r.IntN(len(variables))].name
	}
	x, y := expression(r, depth-1), expression(r, depth-1)
	switch n := r.IntN(12); {
	case n < 6:
		return fmt.Sprintf("(%s %s %s)", x, []string{"+", "-", "*", "&", "|", "^"}[n], y)
	case n == 6:
		return fmt.Sprintf("(%s / %s)", x, []string{"3", "7", "-5", "1000"}[r.IntN(4)])
	case n == 7:
		return fmt.Sprintf("(%s %% %s)", x, []string{"3", "7", "-5", "1000"}[r.IntN(4)])
	case n == 8:
		return fmt.Sprintf("(%s << %d)", x, r.IntN(31))
	case n == 9:
		return fmt.Sprintf("(%s >> %d)", x, r.IntN(31))
	case n == 10:
		return []string{"(-%s)", "(~%s)"}[r.IntN(2)][:2] + x + ")"
	}
	return fmt.Sprintf("((%s)%s)", variables[r.IntN(len(variables))].ctype, x)
}
