// Ours reads partitions from Redis with the arrowredis package, and counts their rows, batch by batch, in order.
package main

import (
	"context"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"

	"github.com/arrowredis/arrowredis/benches/peers/go/bench"
)

func main() { bench.Main(prepare) }

func prepare(flags bench.Flags) (func() (bench.Outcome, error), error) {
	ctx := context.Background()
	store, err := arrowredis.OpenStore(flags.RedisURL, nil)
	if err != nil {
		return nil, err
	}
	dataset, err := store.Dataset(ctx, flags.Prefix)
	if err != nil {
		return nil, err
	}
	options := &arrowredis.ReadOptions{Partitions: flags.Partitions, Columns: flags.Columns}
	return func() (outcome bench.Outcome, err error) {
		reader, err := dataset.Read(ctx, options)
		if err != nil {
			return outcome, err
		}
		defer reader.Release()
		for reader.Next() {
			outcome.Rows += reader.RecordBatch().NumRows()
		}
		if err := reader.Err(); err != nil {
			return outcome, err
		}
		metrics, err := reader.Metrics()
		outcome.Chunks, outcome.PayloadBytes = int64(metrics.Chunks), int64(metrics.PayloadBytes)
		return outcome, err
	}, nil
}
