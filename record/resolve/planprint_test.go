package resolve_test

import (
	"fmt"
	"strings"

	"probetape/record/resolve"
	"probetape/schemas"
)

// printPlan writes a plan so that a person can read what runs at which site.
func printPlan(p *resolve.Plan) string {
	var b strings.Builder
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for i := range p.Statements {
		printStatement(&b, &p.Statements[i])
	}
	return b.String()
}

func printStatement(b *strings.Builder, s *resolve.Statement) {
	t := &s.Table
	fmt.Fprintf(b, "table %d %s, %s, %d bytes at most\n", t.ID, t.Name, s.Kind, schemas.LayoutOf(t).Max)
	const most = 8
	for i, site := range s.Sites {
		if i == most {
			fmt.Fprintf(b, "  and %d sites more\n", len(s.Sites)-most)
			break
		}
		fmt.Fprintf(b, "  site %d %s", site.ID, site.Name)
		for _, part := range []struct{ name, value string }{
			{"category", site.Category}, {"module", site.Module}, {"abi", string(site.ABI)},
		} {
			if part.value != "" {
				fmt.Fprintf(b, " %s=%s", part.name, part.value)
			}
		}
		if site.Kind == schemas.KindSyscall {
			fmt.Fprintf(b, " number=%d", site.Number)
		}
		if site.Address != 0 {
			fmt.Fprintf(b, " address=%#x", site.Address)
		}
		if site.RefCtrOffset != 0 {
			fmt.Fprintf(b, " semaphore=%#x", site.RefCtrOffset)
		}
		if site.ArgCount >= 0 {
			fmt.Fprintf(b, " args=%d", site.ArgCount)
		}
		if site.Errno {
			b.WriteString(" errno")
		}
		b.WriteByte('\n')
	}
	if s.Filter != nil {
		fmt.Fprintf(b, "  filter %s\n", printExpr(s.Filter))
	}
	if s.ExitFilter != nil {
		fmt.Fprintf(b, "  exit filter %s\n", printExpr(s.ExitFilter))
	}
	for i, f := range t.Fields {
		fmt.Fprintf(b, "  field %s %s", f.Name, f.Type)
		if f.MaxLen > 0 {
			fmt.Fprintf(b, " %d", f.MaxLen)
		}
		if f.Display != "" {
			fmt.Fprintf(b, " %s", f.Display)
		}
		if f.AtExit {
			b.WriteString(" at exit")
		}
		if len(f.Enum) > 0 {
			fmt.Fprintf(b, " (%d names, the first %s = %d)", len(f.Enum), f.Enum[0].Name, f.Enum[0].Value)
		}
		fmt.Fprintf(b, " = %s\n", printExpr(s.Fields[i]))
	}
}

var opNames = map[resolve.Op]string{
	resolve.OpArg: "arg", resolve.OpRet: "ret", resolve.OpDuration: "duration", resolve.OpCtx: "ctx", resolve.OpCtxAddr: "&ctx",
	resolve.OpDataLoc: "data_loc", resolve.OpDataLen: "data_len", resolve.OpPID: "pid", resolve.OpTID: "tid", resolve.OpUID: "uid",
	resolve.OpGID: "gid", resolve.OpCPU: "cpu", resolve.OpCgroup: "cgroup", resolve.OpNsecs: "nsecs", resolve.OpComm: "comm",
	resolve.OpKstack: "kstack", resolve.OpUstack: "ustack", resolve.OpLoad: "load", resolve.OpStr: "str", resolve.OpBuf: "buf",
	resolve.OpCast: "cast", resolve.OpNot: "!", resolve.OpNeg: "neg", resolve.OpCompl: "~", resolve.OpAdd: "+", resolve.OpSub: "-",
	resolve.OpMul: "*", resolve.OpDiv: "/", resolve.OpMod: "%", resolve.OpShl: "<<", resolve.OpShr: ">>", resolve.OpAnd: "&",
	resolve.OpOr: "|", resolve.OpXor: "^", resolve.OpEq: "==", resolve.OpNe: "!=", resolve.OpLt: "<", resolve.OpLe: "<=",
	resolve.OpGt: ">", resolve.OpGe: ">=", resolve.OpLand: "&&", resolve.OpLor: "||", resolve.OpCond: "?:", resolve.OpMatch: "match",
}

// printExpr writes an expression with its operator first: (load i32 user (arg u64 1) +8).
func printExpr(x *resolve.Expr) string {
	switch x.Op {
	case resolve.OpConst:
		return fmt.Sprintf("%d:%s", x.Int, printType(x.Type))
	case resolve.OpText:
		return fmt.Sprintf("%q", x.Text)
	case resolve.OpOperand:
		return fmt.Sprintf("(operand %s %+v)", printType(x.Type), *x.Operand)
	}
	parts := []string{opNames[x.Op], printType(x.Type)}
	if x.User {
		parts = append(parts, "user")
	}
	if x.Either {
		parts = append(parts, "either")
	}
	for _, o := range []*resolve.Expr{x.X, x.Y, x.Z} {
		if o != nil {
			parts = append(parts, printExpr(o))
		}
	}
	switch x.Op {
	case resolve.OpArg, resolve.OpCtx, resolve.OpCtxAddr, resolve.OpDataLoc, resolve.OpDataLen:
		parts = append(parts, fmt.Sprint(x.Int))
	case resolve.OpLoad:
		parts = append(parts, fmt.Sprintf("%+d", x.Int))
	case resolve.OpMatch:
		parts = append(parts, fmt.Sprintf("%q", x.Text))
	}
	if x.Op == resolve.OpLoad || x.Op == resolve.OpCtx {
		if x.Size != x.Type.Size {
			parts = append(parts, fmt.Sprintf("of %d bytes", x.Size))
		}
		if x.BitSize > 0 {
			parts = append(parts, fmt.Sprintf("bits %d to %d", x.BitOff, x.BitOff+x.BitSize-1))
		}
	}
	return "(" + strings.Join(parts, " ") + ")"
}

func printType(t resolve.Type) string {
	switch t.Kind {
	case resolve.KindBool:
		return "bool"
	case resolve.KindString:
		return fmt.Sprintf("text%d", t.Max)
	case resolve.KindBuffer:
		return fmt.Sprintf("bytes%d", t.Max)
	case resolve.KindStack:
		return "stack"
	}
	if t.Signed {
		return fmt.Sprintf("i%d", 8*t.Size)
	}
	return fmt.Sprintf("u%d", 8*t.Size)
}
