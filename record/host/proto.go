package host

import (
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf/btf"
)

func (b *executable) proto(symbol string) (*btf.FuncProto, error) {
	return nil, fmt.Errorf("%s: no debug information of %s: %w", b.info.Path, symbol, fs.ErrNotExist)
}
