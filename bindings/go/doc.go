// Package arrowredis reads and publishes partitioned Arrow datasets in Redis, through libarrowredis.
//
// A program publishes a dataset once; any number of others then read the partitions and columns that they need,
// straight into Arrow arrays. A dataset, named by its prefix, consists of partitions, and those of batches. A [Store] is
// where datasets live: a Redis or Valkey server, a directory, or this process's memory.
//
//	store, err := arrowredis.OpenStore("redis://127.0.0.1:6379", nil)
//	…
//	defer store.Close()
//	dataset, err := store.Dataset(ctx, "demo:v1")
//	…
//	defer dataset.Close()
//	reader, err := dataset.Read(ctx, &arrowredis.ReadOptions{
//		Partitions: arrowredis.Partitions(0, 3),
//		Columns:    []string{"id64", "float64_c"},
//	})
//	…
//	defer reader.Release()
//	for reader.Next() {
//		batch := reader.RecordBatch() // an arrow.RecordBatch, valid until the next call of Next
//	}
//	return reader.Err()
//
// # Building
//
// The package finds the library through pkg-config (arrowredis.pc), which the library's installation brings:
//
//	cmake -S . -B build && cmake --build build && cmake --install build --prefix $HOME/.local
//	export PKG_CONFIG_PATH=$HOME/.local/lib/pkgconfig LD_LIBRARY_PATH=$HOME/.local/lib
//	go get github.com/arrowredis/arrowredis/bindings/go
//
// # Contexts
//
// Every call that waits for something takes a [context.Context]. Its end reaches the work on the network: the call
// returns within 100 ms with an error that is both the library's ([ErrCancelled], [ErrTimeout]) and the context's
// ([context.Canceled], [context.DeadlineExceeded], and the cause). The context of a read or of a writer bounds all of
// it, up to the last batch. [WithProgress] and [WithMaxInflightBytes] attach more to a context.
//
// # Errors
//
// Compare with codes by [errors.Is], and take out details by [errors.As]:
//
//	if errors.Is(err, arrowredis.ErrNotFound) { … }
//	var failure *arrowredis.Error
//	if errors.As(err, &failure) && failure.Retryable { … }
//
// # Memory
//
// Record batches are the library's memory, handed out without a copy. They follow arrow-go's counting of references: a
// batch is valid until the next call of [Reader.Next], or as long as it is retained, and may outlive reader, dataset and
// store. Go's garbage collector does not see that memory, so release what you retain. What is read ahead is bounded by a
// budget of bytes for the whole process, see [Configure].
//
// Stores, datasets, readers, writers and sides have a Close that may be called again. What a program forgets is freed
// with the garbage, some time. [LiveHandles] is 0 when nothing is left.
//
// All Arrow types pass in both directions; testdata/types.md is the table, judged by pyarrow. Columns of extension types
// are handed out as their storage, with the type's name in the field's metadata, which is how arrow-go imports them.
//
// # Goroutines
//
// Stores, datasets, sides and writers may be shared by goroutines, and closed while others use them. Of a reader, one
// goroutine takes batches and closes it; others may cancel it and ask for metrics. A waiting call occupies a thread, as
// a system call does.
package arrowredis
