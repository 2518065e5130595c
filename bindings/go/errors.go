package arrowredis

import (
	"context"
	"errors"
	"strings"
)

// Code tells kinds of errors apart. Each code is an error itself, to be given to [errors.Is]:
//
//	if errors.Is(err, arrowredis.ErrNotFound) { … }
//
// A later version of the library may have codes that this package has no name for.
type Code int32

// The codes of the library. Their values never change.
const (
	// ErrInvalidArgument is an argument, option, URL or name that cannot be used.
	ErrInvalidArgument Code = 1
	// ErrNotFound is a dataset, partition, column or file that does not exist.
	ErrNotFound Code = 2
	// ErrAlreadyExists is a dataset that exists and was not to be replaced.
	ErrAlreadyExists Code = 3
	// ErrConflict means that another writer was at it, or that the data was replaced meanwhile; also process-wide
	// settings made too late.
	ErrConflict Code = 4
	// ErrPermissionDenied means wrong credentials, or an operation that the user may not do.
	ErrPermissionDenied Code = 5
	// ErrUnavailable is a server that cannot be reached or cannot serve now.
	ErrUnavailable Code = 6
	// ErrTimeout means that time is up. Where it was the context's time, the error is also
	// [context.DeadlineExceeded].
	ErrTimeout Code = 7
	// ErrCancelled means that the operation was cancelled. Where the context was, the error is also
	// [context.Canceled].
	ErrCancelled Code = 8
	// ErrCorrupt is bytes that are not what they should be.
	ErrCorrupt Code = 9
	// ErrChunkMissing is a chunk that should be there and is not.
	ErrChunkMissing Code = 10
	// ErrResourceExhausted means no memory, disk or room in the server left.
	ErrResourceExhausted Code = 11
	// ErrUnsupported is something that this version, this store or Arrow for Go cannot do.
	ErrUnsupported Code = 12
	// ErrIO means that input or output failed.
	ErrIO Code = 13
	// ErrForked means that the process was forked after the library had started its threads.
	ErrForked Code = 14
	// ErrInternal is a defect of the library.
	ErrInternal Code = 15
)

// String is the name of the code, such as NOT_FOUND.
func (c Code) String() string {
	if name := codeName(int32(c)); name != "" && c != 0 {
		return name
	}
	return ErrInternal.String()
}

// Error makes a code an error.
func (c Code) Error() string { return "arrowredis: " + c.String() }

// Error is what the functions of this package fail with. Take it out of an error with [errors.As].
type Error struct {
	// Code is the kind of error.
	Code Code
	// Message says what failed, on what, and what to do about it. It never holds a password.
	Message string
	// Retryable is whether the same call may succeed later without any change.
	Retryable bool
	// ServerCode is the first word of the server's own error reply, such as WRONGPASS; empty if none sent one.
	ServerCode string
	// Partition is the id of the partition that the error is about, or -1.
	Partition int64
	// Batch is the batch within the partition that the error is about, or -1.
	Batch int64

	// The context's error, and its cause where that is another one.
	causes []error
}

// Error is the code's name and the message.
func (e *Error) Error() string {
	parts := []string{e.Code.Error()}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	for _, cause := range e.causes {
		parts = append(parts, cause.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the code, and what ended the context if that ended the call.
func (e *Error) Unwrap() []error { return append([]error{e.Code}, e.causes...) }

func newError(code Code, message string) *Error {
	return &Error{Code: code, Message: message, Partition: -1, Batch: -1}
}

// withContext says that it was the end of the context that ended a call.
func (e *Error) withContext(ctx context.Context, ended error) *Error {
	with := *e
	with.Code = ErrCancelled
	if errors.Is(ended, context.DeadlineExceeded) {
		with.Code = ErrTimeout
	}
	with.causes = []error{ended}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(ended, cause) {
		with.causes = append(with.causes, cause)
	}
	return &with
}
