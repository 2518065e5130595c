package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Handle;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Operation;
import io.arrowredis.internal.Scratch;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongFunction;

/**
 * A dataset of a store, at the version that was current when it was opened. Immutable; for all threads. It goes on when
 * the store is closed.
 *
 * {@snippet :
 * try (Dataset dataset = store.dataset("demo:v1");
 *         Reader reader = dataset.read(new ReadOptions().partitions("0", "3").columns("id64", "float64_c"))) {
 *     consume(reader);
 * }
 * }
 */
public final class Dataset implements AutoCloseable {
    private final Handle handle;

    Dataset(long address) {
        handle = new Handle(this, "dataset", address, CFunction.DATASET_FREE);
    }

    Handle handle() {
        return handle;
    }

    /** {@return what the dataset is} */
    public DatasetInfo info() {
        return handle.use(dataset -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place fields = scratch.place(DatasetInfo.FIELDS);
                Native.check(CFunction.DATASET_INFO, dataset, fields.address(), fields.size());
                return DatasetInfo.from(fields);
            }
        });
    }

    /**
     * The partitions, in the order of their ids.
     *
     * @return the partitions
     * @throws ArrowRedisException UNSUPPORTED for a dataset that was opened without a manifest
     */
    public List<Partition> partitions() {
        return handle.use(dataset -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place count = scratch.place(1);
                Native.check(CFunction.DATASET_PARTITION_COUNT, dataset, count.address());
                List<Partition> partitions = new ArrayList<>();
                for (long index = 0; index < count.value(); index++) {
                    Scratch.Place fields = scratch.place(Partition.FIELDS);
                    Native.check(CFunction.DATASET_PARTITION, dataset, index, fields.address(), fields.size());
                    partitions.add(Partition.from(fields));
                }
                return partitions;
            }
        });
    }

    /**
     * Writes the schema, all columns, to an {@code ArrowSchema}. Without a manifest a chunk is read for it.
     *
     * @param schema the address of the struct; the caller releases what is written there
     * @param context bounds
     * @throws ArrowRedisException NOT_FOUND when there are no chunks; what the store reports
     */
    public void exportSchema(long schema, Context context) {
        call(
                context,
                bounds -> handle.use(dataset -> {
                    Native.check(CFunction.DATASET_SCHEMA, dataset, bounds, schema);
                    return null;
                }));
    }

    /**
     * The chunk listing as an Arrow stream of one batch: the manifest's rows, one for each chunk, with its partition,
     * batch, rows, sizes, checksum and statistics.
     *
     * @return the stream, which needs neither dataset nor store
     * @throws ArrowRedisException UNSUPPORTED for a dataset that was opened without a manifest
     */
    public ArrowStream chunks() {
        ArrowStream stream = new ArrowStream();
        handle.use(dataset -> {
            Native.check(CFunction.DATASET_CHUNKS, dataset, stream.address());
            return null;
        });
        return stream;
    }

    /**
     * How the chunks that the manifest lists are spread over the nodes of a cluster, as an Arrow stream of one batch:
     * {@code node} (its address), {@code chunks} and {@code payload_bytes}. Every other store is one node; a dataset
     * without a manifest has no rows.
     *
     * @param context bounds
     * @return the stream, which needs neither dataset nor store
     * @throws ArrowRedisException what the store reports
     */
    public ArrowStream nodes(Context context) {
        return call(
                context,
                bounds -> handle.use(dataset -> {
                    ArrowStream stream = new ArrowStream();
                    Native.check(CFunction.DATASET_NODES, dataset, bounds, stream.address());
                    return stream;
                }));
    }

    /**
     * Looks whether the store still holds every chunk in its size, without reading any.
     *
     * @param context bounds
     * @return how many chunks are missing or of another size
     * @throws ArrowRedisException INVALID_ARGUMENT for a dataset that was opened without a manifest; what the store reports
     */
    public long check(Context context) {
        return check(context, 0);
    }

    /**
     * Looks whether the store still holds every chunk in its size, and lists those that it does not: their partition,
     * batch, key, size as published and size as stored, null where the chunk is missing.
     *
     * @param context bounds
     * @param chunks the address of an {@code ArrowArrayStream} for the list; 0 for none
     * @return how many chunks are missing or of another size
     * @throws ArrowRedisException INVALID_ARGUMENT for a dataset that was opened without a manifest; what the store reports
     */
    public long check(Context context, long chunks) {
        return call(
                context,
                bounds -> handle.use(dataset -> {
                    try (Scratch scratch = new Scratch()) {
                        Scratch.Place broken = scratch.place(1);
                        Native.check(CFunction.DATASET_CHECK, dataset, bounds, broken.address(), chunks);
                        return broken.value();
                    }
                }));
    }

    /** {@return a reader of everything} */
    public Reader read() {
        return read(new ReadOptions());
    }

    /**
     * Starts a read.
     *
     * @param options what to read
     * @return the reader
     * @throws ArrowRedisException NOT_FOUND for a partition or column that does not exist; what the store reports
     */
    public Reader read(ReadOptions options) {
        return read(options, new Context());
    }

    /**
     * Starts a read.
     *
     * @param options what to read
     * @param context bounds of the whole read
     * @return the reader
     * @throws ArrowRedisException NOT_FOUND for a partition or column that does not exist; what the store reports
     */
    public Reader read(ReadOptions options, Context context) {
        return call(context, readNow(options.freeze(), context));
    }

    /**
     * Starts a read, without blocking.
     *
     * @param options what to read
     * @param context bounds of the whole read
     * @return the future of the reader
     */
    public CompletableFuture<Reader> readAsync(ReadOptions options, Context context) {
        return start(context, readNow(options.freeze(), context));
    }

    private LongFunction<Reader> readNow(Options.Frozen options, Context context) {
        return bounds -> handle.use(dataset -> Reader.open(
                options,
                context,
                (nativeOptions, out) -> Native.check(CFunction.READ, dataset, nativeOptions, bounds, out)));
    }

    /**
     * Reads the dataset into an IPC file, which gets its name only when it is complete.
     *
     * @param file the file
     * @param compression {@code zstd}, {@code lz4} or {@code none}; empty for the dataset's own, which copies instead of
     *     encoding anew
     * @param options what to read
     * @param context bounds
     * @return what it cost
     * @throws ArrowRedisException as {@link #read(ReadOptions, Context)}, and what the file system reports
     */
    public Metrics readToFile(Path file, String compression, ReadOptions options, Context context) {
        return call(context, readToFileNow(file, compression, options.freeze()));
    }

    /**
     * Reads everything into an IPC file, compressed as it is stored.
     *
     * @param file the file
     * @return what it cost
     * @throws ArrowRedisException as {@link #read(ReadOptions, Context)}, and what the file system reports
     */
    public Metrics readToFile(Path file) {
        return readToFile(file, "", new ReadOptions(), new Context());
    }

    /**
     * Reads the dataset into an IPC file, without blocking.
     *
     * @param file the file
     * @param compression as {@link #readToFile(Path, String, ReadOptions, Context)} takes it
     * @param options what to read
     * @param context bounds
     * @return the future of what it cost
     */
    public CompletableFuture<Metrics> readToFileAsync(
            Path file, String compression, ReadOptions options, Context context) {
        return start(context, readToFileNow(file, compression, options.freeze()));
    }

    private LongFunction<Metrics> readToFileNow(Path file, String compression, Options.Frozen options) {
        return bounds -> handle.use(dataset -> options.use(nativeOptions -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Text path = scratch.text(file.toString());
                Scratch.Text codec = scratch.text(compression);
                Scratch.Place metrics = scratch.place(Metrics.FIELDS);
                Native.check(
                        CFunction.READ_TO_FILE,
                        dataset,
                        path.address(),
                        path.length(),
                        codec.address(),
                        codec.length(),
                        nativeOptions,
                        bounds,
                        metrics.address(),
                        metrics.size());
                return Metrics.from(metrics);
            }
        }));
    }

    /** Closes the handle; readers go on, and the data stays where it is. Does nothing the second time. */
    @Override
    public void close() {
        handle.close();
    }

    private static <T> T call(Context context, LongFunction<T> work) {
        return Operation.call(new ContextBounds(context), work);
    }

    private static <T> CompletableFuture<T> start(Context context, LongFunction<T> work) {
        return Operation.start(new ContextBounds(context), work);
    }
}
