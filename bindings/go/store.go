package arrowredis

import (
	"context"
	"runtime"
	"time"

	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// Store is a place where datasets live. Goroutines may share it.
type Store struct {
	native  *handle[*cStore]
	cleanup runtime.Cleanup
}

// OpenStore opens a store by its URL: redis://, rediss://, unix://, file:///dir or memory://NAME. A server is not
// contacted before the first operation. Options may be nil. The caller closes the store.
func OpenStore(url string, options *StoreOptions) (*Store, error) {
	native, err := newOptions(kindStore, options)
	if err != nil {
		return nil, err
	}
	defer optionsFree(native)
	store, err := storeOpen(url, native)
	if err != nil {
		return nil, err
	}
	s := &Store{native: own("store", store, storeFree)}
	s.cleanup = runtime.AddCleanup(s, closeStore, s.native)
	return s, nil
}

func closeStore(native *handle[*cStore]) {
	store, err := native.use()
	if err != nil {
		return
	}
	// It can only fail for a store that is closed, which this one is not: nobody else has the handle.
	_ = storeClose(store)
	native.done()
	native.close()
}

// Close closes the store; later calls with it fail. Datasets, readers and writers that were opened from it go on, and
// its connections close after the last of them. Closing again does nothing. It never fails.
func (s *Store) Close() error {
	s.cleanup.Stop()
	closeStore(s.native)
	return nil
}

// String is where the store is, without any credential.
func (s *Store) String() string {
	store, err := s.native.use()
	if err != nil {
		return "closed store"
	}
	defer s.native.done()
	return storeDescription(store)
}

// SetCredentials logs in with other credentials from now on, for tokens that rotate: new connections use them, requests
// under way end as they are, and connections made with the old ones serve no further request. An empty user keeps the
// one that the store was opened with. It fails with [ErrUnsupported] for a store that nobody logs in to.
func (s *Store) SetCredentials(user, password string) error {
	store, err := s.native.use()
	if err != nil {
		return err
	}
	defer s.native.done()
	return storeSetCredentials(store, user, password)
}

// ServerInfo is what a server says of itself.
type ServerInfo struct {
	// Server is the product, such as redis, valkey, directory or memory.
	Server string
	// Version of it; empty where there is none.
	Version string
	// Role is master, replica or empty.
	Role string
	// MaxMemoryPolicy is what the server evicts when full; empty where it would not say.
	MaxMemoryPolicy string
	// MaxMemoryBytes is the server's limit; 0 means none, -1 that it would not say.
	MaxMemoryBytes int64
	// UsedMemoryBytes is what the server uses now; -1 if it would not say.
	UsedMemoryBytes int64
	// Cluster is whether the server is part of one.
	Cluster bool
	// TLS is whether the connection is encrypted.
	TLS bool
	// Latency is the median round-trip time of a few pings; 0 for stores without a server.
	Latency time.Duration
	// DeniedCommands are those that the library needs and the user may not run.
	DeniedCommands []string
}

// Ping asks the store how it is.
func (s *Store) Ping(ctx context.Context) (ServerInfo, error) {
	store, err := s.native.use()
	if err != nil {
		return ServerInfo{}, err
	}
	defer s.native.done()
	return run(ctx, func(native *cContext) (ServerInfo, error) { return storePing(store, native) })
}

// Dataset opens a published dataset by reading its manifest. It fails with [ErrNotFound] when there is none under that
// prefix. The caller closes it.
func (s *Store) Dataset(ctx context.Context, prefix string) (*Dataset, error) {
	store, err := s.native.use()
	if err != nil {
		return nil, err
	}
	defer s.native.done()
	dataset, err := run(ctx, func(native *cContext) (*cDataset, error) { return datasetOpen(store, prefix, native) })
	if err != nil {
		return nil, err
	}
	return newDataset(dataset), nil
}

// DatasetWithoutManifest opens a dataset that another program wrote without a manifest: nothing is read yet. Its
// partitions are found when it is read, or named by the read's options. The caller closes it.
func (s *Store) DatasetWithoutManifest(prefix string) (*Dataset, error) {
	store, err := s.native.use()
	if err != nil {
		return nil, err
	}
	defer s.native.done()
	dataset, err := datasetOpenWithoutManifest(store, prefix)
	if err != nil {
		return nil, err
	}
	return newDataset(dataset), nil
}

// DatasetSummary is what a store holds under one name.
type DatasetSummary struct {
	// Prefix is the dataset's name.
	Prefix string
	// CreatedAt is when it was published; zero without a manifest.
	CreatedAt time.Time
	// Problem is why its manifest could not be read; empty if it could.
	Problem string
	// HasManifest is whether it was published with one.
	HasManifest bool
	// Partitions of the dataset.
	Partitions uint64
	// Chunks of the dataset.
	Chunks uint64
	// Rows of the dataset; -1 without a manifest.
	Rows int64
	// PayloadBytes of all chunks; -1 without a manifest.
	PayloadBytes int64
	// UnlistedChunks under this name are of replaced versions in their grace period, and of uploads under way or dead.
	UnlistedChunks uint64
}

// List lists the datasets whose names begin with start, all if it is empty, in the order of their names.
func (s *Store) List(ctx context.Context, start string) ([]DatasetSummary, error) {
	store, err := s.native.use()
	if err != nil {
		return nil, err
	}
	defer s.native.done()
	return run(ctx, func(native *cContext) ([]DatasetSummary, error) { return datasetList(store, start, native) })
}

// Delete deletes a dataset, its manifest first, and tells how many chunks it had. It fails with [ErrNotFound] when
// there is nothing under that prefix, with [ErrConflict] while it is being written.
func (s *Store) Delete(ctx context.Context, prefix string) (chunks uint64, err error) {
	store, err := s.native.use()
	if err != nil {
		return 0, err
	}
	defer s.native.done()
	return run(ctx, func(native *cContext) (uint64, error) { return datasetDelete(store, prefix, native) })
}

// GarbageReport is what collecting garbage came to.
type GarbageReport struct {
	// Datasets under whose names dead uploads were found.
	Datasets uint64
	// DeadUploads that had died unpublished, as far as they were on record.
	DeadUploads uint64
	// Chunks that were deleted.
	Chunks uint64
	// VersionsInGrace stay until their grace period is over.
	VersionsInGrace uint64
	// InUse are names that a writer is at, or may be: left alone.
	InUse uint64
}

// CollectGarbage removes the chunks of uploads that died unpublished to datasets whose names begin with start, all if
// it is empty, and nothing else. A dead writer's lease ends by itself within 30 s; until then its dataset is in use.
func (s *Store) CollectGarbage(ctx context.Context, start string) (GarbageReport, error) {
	store, err := s.native.use()
	if err != nil {
		return GarbageReport{}, err
	}
	defer s.native.done()
	return run(ctx, func(native *cContext) (GarbageReport, error) { return collectGarbage(store, start, native) })
}

// SplitReport is what writing a dataset came to.
type SplitReport struct {
	// UploadID of what was published: 32 hexadecimal digits.
	UploadID string
	// Partitions of the dataset.
	Partitions uint64
	// Chunks of the dataset.
	Chunks uint64
	// ChunksCopied byte for byte rather than encoded anew.
	ChunksCopied uint64
	// Metrics of the operation.
	Metrics Metrics
	// ReplacedUploadID is the upload that was replaced; empty if there was none.
	ReplacedUploadID string
}

// SplitFile writes an IPC file to the store as a dataset, and publishes it last: readers see all of it or nothing. It
// fails with [ErrAlreadyExists] unless the options say to overwrite, with [ErrConflict] when another writer is at it.
//
// When the context ends, what was written is removed. If the server does not answer, that goes on for a while in the
// background after SplitFile has returned.
func (s *Store) SplitFile(ctx context.Context, prefix, path string, options *SplitOptions) (SplitReport, error) {
	nothing := func() {}
	return s.split(ctx, options, nothing, func(store *cStore, options *cOptions, native *cContext) (SplitReport, error) {
		return splitFile(store, prefix, path, options, native)
	})
}

// SplitStream writes a stream of another native library, such as a database's result, as [Store.SplitFile] does a file.
// The stream is moved: it must not be used afterwards, whatever the outcome. For Go's record readers use [Store.Split].
func (s *Store) SplitStream(
	ctx context.Context, prefix string, stream *cdata.CArrowArrayStream, options *SplitOptions,
) (SplitReport, error) {
	moved := moveStream(stream)
	release := func() { cdata.ReleaseCArrowArrayStream(moved) }
	return s.split(ctx, options, release, func(store *cStore, options *cOptions, native *cContext) (SplitReport, error) {
		return splitStream(store, prefix, moved, options, native)
	})
}

// split runs a whole split. What it needs stays alive until it ends, which may be after the caller has left.
func (s *Store) split(
	ctx context.Context,
	options *SplitOptions,
	release func(),
	work func(*cStore, *cOptions, *cContext) (SplitReport, error),
) (SplitReport, error) {
	store, err := s.native.use()
	if err != nil {
		release()
		return SplitReport{}, err
	}
	free := func() {
		s.native.done()
		release()
	}
	native, err := newOptions(kindSplit, options)
	if err != nil {
		free()
		return SplitReport{}, err
	}
	c, err := begin(ctx)
	if err != nil {
		optionsFree(native)
		free()
		return SplitReport{}, err
	}
	return within(ctx, c.explain, func() (SplitReport, error) {
		defer free()
		defer optionsFree(native)
		defer c.finish()
		return work(store, native, c.pointer())
	})
}
