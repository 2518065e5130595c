package arrowredis

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A call that cleans up behind itself, such as a cancelled upload, may need a while for that. This is how long its
// caller waits for it once the context has ended; Split waits twice, and returns within 100 ms.
const cleanUpGrace = 25 * time.Millisecond

// call is one operation within a Go context: the context's deadline becomes the library's timeout, its end fires the
// library's cancel token.
type call struct {
	ctx      context.Context
	native   *handle[*cContext]
	token    *handle[*cCancelToken]
	progress *Progress
	stop     func() bool
	once     sync.Once
}

// begin prepares an operation; finish must follow.
func begin(ctx context.Context) (*call, error) {
	c := &call{ctx: ctx}
	if err := ctx.Err(); err != nil {
		return nil, c.ended(err)
	}
	native, err := contextNew()
	if err != nil {
		return nil, err
	}
	c.native = own("context", native, contextFree)
	if err := c.bind(native); err != nil {
		c.finish()
		return nil, err
	}
	if progress, ok := ctx.Value(progressKey{}).(*Progress); ok {
		c.progress = progress
		progress.watch(c.native)
	}
	return c, nil
}

func (c *call) bind(native *cContext) error {
	if bytes, ok := c.ctx.Value(maxInflightKey{}).(uint64); ok {
		if err := contextSetMaxInflightBytes(native, bytes); err != nil {
			return err
		}
	}
	if deadline, ok := c.ctx.Deadline(); ok {
		if err := contextSetTimeout(native, milliseconds(time.Until(deadline))); err != nil {
			return err
		}
	}
	if c.ctx.Done() == nil {
		return nil
	}
	token, err := cancelTokenNew()
	if err != nil {
		return err
	}
	owned := own("cancel token", token, cancelTokenFree)
	c.token = owned
	if err := contextSetCancelToken(native, token); err != nil {
		return err
	}
	c.stop = context.AfterFunc(c.ctx, func() {
		if token, err := owned.use(); err == nil {
			cancelTokenCancel(token)
			owned.done()
		}
	})
	return nil
}

// milliseconds rounds up, so that the library never gives up before the context does; 0 would mean no timeout.
func milliseconds(left time.Duration) uint64 {
	return uint64(max(left+time.Millisecond-1, time.Millisecond) / time.Millisecond)
}

// pointer is the library's context, for use until finish.
func (c *call) pointer() *cContext { return c.native.pointer }

// finish frees what the call needed. It may be called more than once.
func (c *call) finish() {
	c.once.Do(func() {
		if c.stop != nil {
			c.stop()
		}
		if c.token != nil {
			c.token.close()
		}
		if c.progress != nil {
			c.progress.end(c.native)
		}
		c.native.close()
	})
}

// explain makes an error that the context's end has caused one of the context, too.
func (c *call) explain(err error) error {
	var failure *Error
	if !errors.As(err, &failure) || (failure.Code != ErrCancelled && failure.Code != ErrTimeout) {
		return err
	}
	ended := c.ctx.Err()
	if deadline, ok := c.ctx.Deadline(); ended == nil && ok && failure.Code == ErrTimeout && !time.Now().Before(deadline) {
		ended = context.DeadlineExceeded // the library's clock was first
	}
	if ended == nil {
		return err
	}
	return failure.withContext(c.ctx, ended)
}

// ended is the error of a call that did not wait for the library's own.
func (c *call) ended(err error) error { return newError(ErrCancelled, "").withContext(c.ctx, err) }

// run does work that ends soon after its context. It is given the library's context.
func run[T any](ctx context.Context, work func(*cContext) (T, error)) (T, error) {
	var nothing T
	c, err := begin(ctx)
	if err != nil {
		return nothing, err
	}
	defer c.finish()
	result, err := work(c.pointer())
	if err != nil {
		return nothing, c.explain(err)
	}
	return result, nil
}

// within does work whose clean-up may outlast its context: then that goes on in the background.
func within[T any](ctx context.Context, explain func(error) error, work func() (T, error)) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := work()
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, explain(o.err)
	case <-ctx.Done():
	}
	grace := time.NewTimer(cleanUpGrace)
	defer grace.Stop()
	select {
	case o := <-done:
		return o.result, explain(o.err)
	case <-grace.C:
		var nothing T
		failure := newError(ErrCancelled, "the library still cleans up, in the background")
		return nothing, failure.withContext(ctx, ctx.Err())
	}
}

type maxInflightKey struct{}

// WithMaxInflightBytes limits the bytes that each operation under the context may have in flight. The process's budget
// may allow less; one chunk is always allowed.
func WithMaxInflightBytes(ctx context.Context, bytes uint64) context.Context {
	return context.WithValue(ctx, maxInflightKey{}, bytes)
}

type progressKey struct{}

// Progress shows how far the latest operation is that was started under a context made by [WithProgress]. Any
// goroutine may ask. The zero value is ready to use.
type Progress struct {
	mu     sync.Mutex
	latest *handle[*cContext]
	last   Metrics
}

// WithProgress has the operations under the context report to progress.
func WithProgress(ctx context.Context, progress *Progress) context.Context {
	return context.WithValue(ctx, progressKey{}, progress)
}

func (p *Progress) watch(native *handle[*cContext]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest, p.last = native, Metrics{}
}

// end keeps the final figures.
func (p *Progress) end(native *handle[*cContext]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest == native {
		p.refresh()
		p.latest = nil
	}
}

func (p *Progress) refresh() {
	if p.latest == nil {
		return
	}
	native, err := p.latest.use()
	if err != nil {
		return
	}
	defer p.latest.done()
	if figures, err := contextMetrics(native); err == nil {
		p.last = figures
	}
}

// Metrics are the figures of the operation as they stand now, or as they were when it ended; all zero before the first
// one starts.
func (p *Progress) Metrics() Metrics {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh()
	return p.last
}

// Watch sends the figures at every interval, until the context ends; then it closes the channel. A receiver that is
// slow gets fewer of them.
func (p *Progress) Watch(ctx context.Context, interval time.Duration) <-chan Metrics {
	figures := make(chan Metrics, 1)
	go func() {
		defer close(figures)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			select {
			case figures <- p.Metrics():
			case <-ctx.Done():
				return
			}
		}
	}()
	return figures
}
