// Byhand reads partitions from Redis with go-redis and arrow-go, as well as those two can, and counts their rows, batch
// by batch, in order.
//
// Workers each take the next chunk, receive it straight into a buffer of theirs (go-redis's GetToBuffer), and decode it
// in place: one worker receives while others decode. The consumer gets the batches in order; buffers, those of
// decompressed columns included, are used again when it has released them, so that neither the collector nor fresh
// pages cost anything.
//
// Why it cannot be faster: uncompressed chunks are never copied after the kernel's copy out of the socket, which with
// the server's own work is the limit. Compressed ones are at the mercy of arrow-go, which decompresses with klauspost's
// streams in pure Go and makes a new decoder for every batch; replacing that means to write an IPC reader of one's own.
// GETRANGE in parts of half a megabyte spares the server some work, but go-redis has no GETRANGE into a buffer: with the
// copy it takes as long or longer. arrow-go's stream reader cannot leave columns out, so two columns cost as much as all.
package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/redis/go-redis/v9"

	"github.com/arrowredis/arrowredis/benches/peers/go/bench"
)

func main() { bench.Main(prepare) }

// chunk is a decoded chunk, or why there is none.
type chunk struct {
	batch   arrow.RecordBatch
	payload int64
	release func()
	err     error
}

type reader struct {
	client  *redis.Client
	keys    []string
	pool    *pool
	largest int
	next    atomic.Int64
	results []chan chunk
	// How many chunks may be received or decoded and not yet consumed.
	ahead chan struct{}
}

func prepare(flags bench.Flags) (func() (bench.Outcome, error), error) {
	options, err := redis.ParseURL(flags.RedisURL)
	if err != nil {
		return nil, err
	}
	workers := runtime.GOMAXPROCS(0) + 1
	options.PoolSize, options.MinIdleConns = workers, workers
	client := redis.NewClient(options)
	if err := client.Ping(context.Background()).Err(); err != nil {
		return nil, err
	}
	return func() (bench.Outcome, error) { return read(context.Background(), client, workers, flags) }, nil
}

func read(ctx context.Context, client *redis.Client, workers int, flags bench.Flags) (outcome bench.Outcome, err error) {
	r := &reader{client: client, pool: newPool(), ahead: make(chan struct{}, 2*workers)}
	if err := r.plan(ctx, flags); err != nil {
		return outcome, err
	}
	for range workers {
		go r.work(ctx)
	}
	for _, result := range r.results {
		found := <-result
		if found.err != nil {
			return outcome, found.err
		}
		outcome.Rows += found.batch.NumRows()
		outcome.Chunks++
		outcome.PayloadBytes += found.payload
		found.release()
		<-r.ahead
	}
	return outcome, nil
}

// plan finds the partitions, unless they are given, and the size of the largest chunk.
func (r *reader) plan(ctx context.Context, flags bench.Flags) error {
	partitions := flags.Partitions
	if partitions == nil {
		before := flags.Prefix + ":{part="
		found := r.client.Scan(ctx, 0, before+"*}:batch=00000", 10_000).Iterator()
		for found.Next(ctx) {
			number, _, _ := strings.Cut(found.Val()[len(before):], "}")
			partitions = append(partitions, number)
		}
		if err := found.Err(); err != nil {
			return err
		}
		sort.Strings(partitions)
	}
	pipeline := r.client.Pipeline()
	var sizes []*redis.IntCmd
	for _, partition := range partitions {
		number, err := strconv.Atoi(partition)
		if err != nil {
			return err
		}
		for batch := range flags.Batches {
			key := fmt.Sprintf("%s:{part=%05d}:batch=%05d", flags.Prefix, number, batch)
			r.keys = append(r.keys, key)
			r.results = append(r.results, make(chan chunk, 1))
			sizes = append(sizes, pipeline.StrLen(ctx, key))
		}
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return err
	}
	for _, size := range sizes {
		r.largest = max(r.largest, int(size.Val()))
	}
	return nil
}

func (r *reader) work(ctx context.Context) {
	for {
		r.ahead <- struct{}{}
		number := int(r.next.Add(1)) - 1
		if number >= len(r.keys) {
			return
		}
		r.results[number] <- r.fetch(ctx, r.keys[number])
	}
}

func (r *reader) fetch(ctx context.Context, key string) chunk {
	// Two more bytes let go-redis receive the value and the line's end at once.
	buffer := r.pool.Allocate(r.largest + 2)
	reply := r.client.GetToBuffer(ctx, key, buffer)
	if err := reply.Err(); err != nil {
		return chunk{err: fmt.Errorf("%s: %w", key, err)}
	}
	payload := reply.Bytes()
	stream, err := ipc.NewReaderFromMessageReader(&messages{rest: payload}, ipc.WithAllocator(r.pool))
	if err != nil {
		return chunk{err: err}
	}
	if !stream.Next() {
		return chunk{err: fmt.Errorf("%s: no batch: %w", key, io.ErrUnexpectedEOF)}
	}
	batch := stream.RecordBatch()
	release := func() {
		stream.Release() // and the batch with it
		r.pool.Free(buffer)
	}
	return chunk{batch: batch, payload: int64(len(payload)), release: release}
}
