package resolve_test

import (
	"bufio"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"probetape/record/resolve"
	"probetape/record/resolve/recorded"
	"probetape/schemas/expr"
)

// integers are the parameters of the function that the expressions of these tests are about.
var integers = []struct {
	name string
	size int
	sign bool
}{{"a", 1, true}, {"b", 1, false}, {"c", 2, true}, {"d", 2, false}, {"e", 4, true}, {"f", 4, false}, {"g", 8, true}, {"h", 8, false}}

// integerHost has a function with one parameter of each integer type.
func integerHost(t *testing.T) resolve.Host {
	t.Helper()
	h, err := recorded.Read(strings.NewReader("binary /bin/x dwarf symtab=1 names=x\n\ttext 1000 1000 1000\n\tsymbol fn 1000 1000 100\n" +
		"\ttypedef char s8;\n\tfunc void fn(s8 a, unsigned char b, short c, unsigned short d, int e, unsigned int f, long g, unsigned long h);\n"))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// planned returns what an expression over those parameters becomes.
func planned(t *testing.T, host resolve.Host, text string) *resolve.Expr {
	t.Helper()
	plan, diags := checkText(host, &expr.Source{Name: "-e", Text: "uprobe:x:fn { x = " + text + " }"})
	if plan == nil {
		t.Fatalf("%s: %v", text, diags)
	}
	return plan.Statements[0].Fields[0]
}

// withArgs writes the parameters in a C expression as the language does.
func withArgs(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		alone := (i == 0 || !isLetter(text[i-1])) && (i+1 == len(text) || !isLetter(text[i+1]))
		if alone && text[i] >= 'a' && text[i] <= 'h' {
			b.WriteString("args.")
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' }

// TestArithmetic holds conversions, widths and signs against a C compiler's.
func TestArithmetic(t *testing.T) {
	f, err := os.Open("testdata/arithmetic.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	host := integerHost(t)
	var args [10]uint64
	count := 0
	for in := bufio.NewScanner(f); in.Scan(); {
		text, want, ok := strings.Cut(in.Text(), "\t")
		switch {
		case !ok:
			continue
		case text == "values":
			for i, v := range strings.Fields(want) {
				n, err := strconv.ParseInt(v, 10, 64)
				if err != nil {
					u, err := strconv.ParseUint(v, 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					n = int64(u)
				}
				args[i] = register(n, integers[i].size)
			}
			continue
		}
		x := planned(t, host, withArgs(text))
		got := fmt.Sprintf("%s %d", printType(x.Type), evaluate(x, &args))
		if !x.Type.Signed {
			got = fmt.Sprintf("%s %d", printType(x.Type), uint64(evaluate(x, &args)))
		}
		if got != want {
			t.Errorf("%s with %d: %s, gcc says %s\n%s", text, args, got, want, printExpr(x))
		}
		count++
	}
	if count < 300 {
		t.Errorf("%d expressions", count)
	}
}

// register is a parameter's value as a caller may leave it in a register: what is above its width is anything.
func register(n int64, size int) uint64 {
	if size == 8 {
		return uint64(n)
	}
	mask := uint64(1)<<(8*size) - 1
	return uint64(n)&mask | 0xdeadbeefcafef00d&^mask
}

// TestComparisons compares every pair of integer types, at the edges of their ranges, by value: with math/big as the judge.
func TestComparisons(t *testing.T) {
	host := integerHost(t)
	ops := map[string]func(int) bool{
		"==": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 },
		"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
		">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
	}
	for i, x := range integers {
		for k, y := range integers {
			for op, holds := range ops {
				e := planned(t, host, fmt.Sprintf("args.%s %s args.%s", x.name, op, y.name))
				for _, v := range edges(x.size, x.sign) {
					for _, w := range edges(y.size, y.sign) {
						if i == k {
							w = v
						}
						var args [10]uint64
						args[i], args[k] = register(bits64(v), x.size), register(bits64(w), y.size)
						if got := evaluate(e, &args) != 0; got != holds(v.Cmp(w)) {
							t.Errorf("%v (%d bytes, signed %v) %s %v (%d bytes, signed %v): %v\n%s", v, x.size, x.sign, op, w, y.size, y.sign, got, printExpr(e))
						}
					}
				}
			}
		}
	}
}

// edges are the numbers at the ends of a type's range, and around zero.
func edges(size int, sign bool) []*big.Int {
	one := big.NewInt(1)
	if !sign {
		top := new(big.Int).Lsh(one, uint(8*size))
		return []*big.Int{big.NewInt(0), one, new(big.Int).Sub(top, one), new(big.Int).Rsh(top, 1)}
	}
	top := new(big.Int).Lsh(one, uint(8*size-1))
	return []*big.Int{new(big.Int).Neg(top), big.NewInt(-1), big.NewInt(0), one, new(big.Int).Sub(top, one)}
}

func bits64(n *big.Int) int64 {
	if n.IsInt64() {
		return n.Int64()
	}
	return int64(n.Uint64())
}

// evaluate does what the compiled program does: numbers are 64 bits wide, extended from the width of their type by its sign.
func evaluate(x *resolve.Expr, args *[10]uint64) int64 {
	sub := func(e *resolve.Expr) int64 { return evaluate(e, args) }
	truth := func(b bool) int64 {
		if b {
			return 1
		}
		return 0
	}
	less := func(a, b int64) bool {
		if x.X.Type.Signed {
			return a < b
		}
		return uint64(a) < uint64(b)
	}
	switch x.Op {
	case resolve.OpConst:
		return x.Int
	case resolve.OpArg:
		return extend(int64(args[x.Int]), x.Type)
	case resolve.OpCast:
		if x.Type.Kind == resolve.KindBool {
			return truth(sub(x.X) != 0)
		}
		return extend(sub(x.X), x.Type)
	case resolve.OpNeg:
		return extend(-sub(x.X), x.Type)
	case resolve.OpCompl:
		return extend(^sub(x.X), x.Type)
	case resolve.OpAdd:
		return extend(sub(x.X)+sub(x.Y), x.Type)
	case resolve.OpSub:
		return extend(sub(x.X)-sub(x.Y), x.Type)
	case resolve.OpMul:
		return extend(sub(x.X)*sub(x.Y), x.Type)
	case resolve.OpAnd:
		return extend(sub(x.X)&sub(x.Y), x.Type)
	case resolve.OpOr:
		return extend(sub(x.X)|sub(x.Y), x.Type)
	case resolve.OpXor:
		return extend(sub(x.X)^sub(x.Y), x.Type)
	case resolve.OpShl:
		return extend(sub(x.X)<<uint64(sub(x.Y)), x.Type)
	case resolve.OpShr:
		if x.Type.Signed {
			return extend(sub(x.X)>>uint64(sub(x.Y)), x.Type)
		}
		return extend(int64(uint64(sub(x.X))>>uint64(sub(x.Y))), x.Type)
	case resolve.OpDiv, resolve.OpMod:
		a, b := sub(x.X), sub(x.Y)
		switch {
		case x.Type.Signed && x.Op == resolve.OpDiv:
			return extend(a/b, x.Type)
		case x.Type.Signed:
			return extend(a%b, x.Type)
		case x.Op == resolve.OpDiv:
			return extend(int64(uint64(a)/uint64(b)), x.Type)
		}
		return extend(int64(uint64(a)%uint64(b)), x.Type)
	case resolve.OpEq:
		return truth(sub(x.X) == sub(x.Y))
	case resolve.OpNe:
		return truth(sub(x.X) != sub(x.Y))
	case resolve.OpLt:
		return truth(less(sub(x.X), sub(x.Y)))
	case resolve.OpLe:
		return truth(!less(sub(x.Y), sub(x.X)))
	case resolve.OpGt:
		return truth(less(sub(x.Y), sub(x.X)))
	case resolve.OpGe:
		return truth(!less(sub(x.X), sub(x.Y)))
	case resolve.OpLand:
		return truth(sub(x.X) != 0 && sub(x.Y) != 0)
	case resolve.OpLor:
		return truth(sub(x.X) != 0 || sub(x.Y) != 0)
	case resolve.OpNot:
		return truth(sub(x.X) == 0)
	}
	panic(fmt.Sprintf("operation %d", x.Op))
}

func extend(v int64, t resolve.Type) int64 {
	if t.Kind != resolve.KindInt || t.Size >= 8 {
		return v
	}
	shift := 64 - 8*t.Size
	if t.Signed {
		return v << shift >> shift
	}
	return int64(uint64(v) << shift >> shift)
}
