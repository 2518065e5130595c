package main

import (
	"sync"
	"unsafe"
)

// pool allocates what was freed before, by size class: chunks of a dataset, and their columns, are of much the same
// sizes. It is an allocator of arrow-go's.
type pool struct {
	mu   sync.Mutex
	free map[int][][]byte
}

func newPool() *pool { return &pool{free: map[int][][]byte{}} }

// class rounds up by at most an eighth.
func class(size int) int {
	step := 64
	for step*8 < size {
		step *= 2
	}
	return (size + step - 1) / step * step
}

// Allocate gives so many bytes, aligned to 64, of any content: whoever asks overwrites them.
func (p *pool) Allocate(size int) []byte {
	if size == 0 {
		return nil
	}
	whole := class(size)
	p.mu.Lock()
	defer p.mu.Unlock()
	if free := p.free[whole]; len(free) > 0 {
		p.free[whole] = free[:len(free)-1]
		return free[len(free)-1][:size]
	}
	memory := make([]byte, whole+64)
	start := -int(uintptr(unsafe.Pointer(unsafe.SliceData(memory)))) & 63
	return memory[start : start+size : start+whole]
}

// Reallocate gives another piece with the same beginning.
func (p *pool) Reallocate(size int, old []byte) []byte {
	if size <= cap(old) {
		return old[:size]
	}
	grown := p.Allocate(size)
	copy(grown, old)
	p.Free(old)
	return grown
}

// Free takes back what Allocate gave.
func (p *pool) Free(memory []byte) {
	if cap(memory) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[cap(memory)] = append(p.free[cap(memory)], memory[:0])
}
