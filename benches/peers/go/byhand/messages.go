package main

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
)

// messages hands an IPC stream's messages to arrow-go where they lie; its own reader copies every body.
type messages struct {
	rest []byte
	last *ipc.Message
}

const (
	continuation = 0xFFFFFFFF
	// The body's length is the fourth field of a message.
	bodyLengthSlot = 4 + 2*3
)

// Message is the next message.
func (m *messages) Message() (*ipc.Message, error) {
	m.Release()
	if len(m.rest) < 8 {
		return nil, io.EOF
	}
	length := int(binary.LittleEndian.Uint32(m.rest[4:]))
	if binary.LittleEndian.Uint32(m.rest) != continuation || length > len(m.rest)-8 {
		return nil, fmt.Errorf("not the start of a message: %x", m.rest[:8])
	}
	if length == 0 {
		return nil, io.EOF
	}
	meta := m.rest[8 : 8+length]
	m.rest = m.rest[8+length:]
	table := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	size := 0
	if offset := table.Offset(bodyLengthSlot); offset != 0 {
		size = int(table.GetInt64(table.Pos + flatbuffers.UOffsetT(offset)))
	}
	if size < 0 || size > len(m.rest) {
		return nil, fmt.Errorf("a body of %d bytes, where %d are left", size, len(m.rest))
	}
	m.last = ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(m.rest[:size:size]))
	m.rest = m.rest[size:]
	return m.last, nil
}

// Release lets go of the last message.
func (m *messages) Release() {
	if m.last != nil {
		m.last.Release()
		m.last = nil
	}
}

// Retain does nothing: there is one user.
func (m *messages) Retain() {}
