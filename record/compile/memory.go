package compile

import "github.com/cilium/ebpf"

// hashEntry is what a hash map's entry costs besides key and value: struct htab_elem, and its share of the buckets.
const hashEntry = 64

// MapBytes estimates the kernel memory of the program's maps, full ones.
func (p *Program) MapBytes() int64 {
	var sum int64
	for _, m := range p.Spec.Maps {
		key, value := int64(m.KeySize), (int64(m.ValueSize)+7)&^7
		switch m.Type {
		case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash:
			value *= int64(max(p.Config.CPUs, 1))
		}
		switch m.Type {
		case ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUHash, ebpf.LRUCPUHash:
			key += hashEntry
		}
		sum += (key + value) * int64(m.MaxEntries)
	}
	return sum
}
