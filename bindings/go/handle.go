package arrowredis

import "sync"

// handle owns a native object that several goroutines use. The library forbids using an object during or after its
// free, so the free waits for whoever uses it: the last one does it. Closing never blocks.
type handle[P any] struct {
	what string
	free func(P)

	mu      sync.Mutex
	pointer P
	users   int // the owner is one of them until it closes
	closed  bool
}

func own[P any](what string, pointer P, free func(P)) *handle[P] {
	return &handle[P]{what: what, free: free, pointer: pointer, users: 1}
}

// use takes the pointer for one call; done must follow.
func (h *handle[P]) use() (P, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		var nothing P
		return nothing, newError(ErrInvalidArgument, "the "+h.what+" was closed: open it again")
	}
	h.users++
	return h.pointer, nil
}

func (h *handle[P]) done() {
	h.mu.Lock()
	h.users--
	last := h.users == 0
	h.mu.Unlock()
	if last {
		h.free(h.pointer)
	}
}

// close ends the owner's use, and tells whether it was the first to do so.
func (h *handle[P]) close() bool {
	h.mu.Lock()
	first := !h.closed
	h.closed = true
	h.mu.Unlock()
	if first {
		h.done()
	}
	return first
}
