package host

import (
	"probetape/record/host/syscalls"
	"probetape/record/resolve"
	"probetape/schemas"
)

func (h *Host) listSyscalls() ([]resolve.Syscall, error) {
	var list []resolve.Syscall
	for _, abi := range []schemas.ABI{schemas.ABIx8664, schemas.ABIi386} {
		for _, c := range syscalls.Table(abi) {
			call := resolve.Syscall{Name: c.Name, ABI: abi, Number: c.Number, ParamsErr: c.Unknown}
			for _, p := range c.Params {
				call.Params = append(call.Params, resolve.Param{Name: p.Name, Type: p.Type})
			}
			list = append(list, call)
		}
	}
	return list, nil
}
