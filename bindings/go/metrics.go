package arrowredis

import "time"

// Metrics are what an operation has done so far, and what it cost. MB are 2^20 bytes.
type Metrics struct {
	// Rows handed out, written or compared.
	Rows uint64
	// Chunks, or record batches of a file, moved.
	Chunks uint64
	// PayloadBytes on the wire or in the file, as stored.
	PayloadBytes uint64
	// DecodedBytes of the Arrow arrays that were made or encoded.
	DecodedBytes uint64
	// Fetch is the time during which at least one fetch, or write to the store, ran.
	Fetch time.Duration
	// Decode is the time during which at least one decode or encode ran. It overlaps with Fetch.
	Decode time.Duration
	// Total is the time from the start of the operation to now, or to its end.
	Total time.Duration
	// Retries are requests that were repeated after a failure that could pass.
	Retries uint64
	// ChunksSkipped were missing, and skipped because the caller asked for that.
	ChunksSkipped uint64
	// ChunksExpected is how many chunks the operation will move; 0 until known.
	ChunksExpected uint64
	// PayloadBytesExpected is how many payload bytes the operation will move; 0 until known.
	PayloadBytesExpected uint64
	// PayloadMBPerSecond over the whole operation.
	PayloadMBPerSecond float64
	// DecodedMBPerSecond over the whole operation.
	DecodedMBPerSecond float64
	// RowsPerSecond over the whole operation.
	RowsPerSecond float64
	// ChunksPruned were not touched, since their statistics rule out that a filter keeps any of their rows.
	ChunksPruned uint64
	// BytesPruned were not fetched because of a filter.
	BytesPruned uint64
}

// MetricsText is all counters and histograms of the process since its start, in the text format of Prometheus, for a
// handler of /metrics; what each counts stands in the text. It holds no name of a key, a server or a user.
func MetricsText() (string, error) { return metricsText() }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// moment parses a time of the library's; the zero time if there is none.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}
