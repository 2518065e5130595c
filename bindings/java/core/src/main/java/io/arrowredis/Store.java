package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Handle;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Operation;
import io.arrowredis.internal.Scratch;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongFunction;

/**
 * A place where datasets live, opened by its URL. One store serves all threads of a program.
 *
 * {@snippet :
 * try (Store store = Store.open("redis://127.0.0.1:6379")) {
 *     store.splitFile("demo:v1", Path.of("dataset.arrow"));
 *     store.list().forEach(found -> System.out.println(found.prefix() + ": " + found.rows() + " rows"));
 * }
 * }
 *
 * <p>Methods that block end when the calling thread is interrupted, with {@link ErrorCode#CANCELLED} and the thread's
 * interrupt status set, and run on a thread of their own, so that virtual threads may call them. The forms that return a
 * future do not block; cancelling the future ends the operation.
 *
 * <p>Connections close when the store is closed and nothing that was opened from it is open any more.
 */
public final class Store implements AutoCloseable {
    private final Handle handle;

    private Store(long address) {
        handle = new Handle(this, "store", address, CFunction.STORE_FREE);
    }

    /**
     * Opens a store with default options. No server is contacted before the first operation.
     *
     * @param url {@code redis://}, {@code rediss://}, {@code unix://}, {@code file:///dir} or {@code memory://NAME}
     * @return the store
     * @throws ArrowRedisException INVALID_ARGUMENT when the URL cannot be used; a password is never shown
     */
    public static Store open(String url) {
        return open(url, new StoreOptions());
    }

    /**
     * Opens a store. No server is contacted before the first operation.
     *
     * @param url {@code redis://}, {@code rediss://}, {@code unix://}, {@code file:///dir} or {@code memory://NAME}
     * @param options how to connect
     * @return the store
     * @throws ArrowRedisException INVALID_ARGUMENT when the URL or an option cannot be used; a password is never shown
     */
    public static Store open(String url, StoreOptions options) {
        try (Scratch scratch = new Scratch()) {
            Scratch.Text text = scratch.text(url);
            Scratch.Place store = scratch.place(1);
            options.freeze().use(nativeOptions -> {
                Native.check(CFunction.STORE_OPEN, text.address(), text.length(), nativeOptions, store.address());
                return null;
            });
            return new Store(store.value());
        }
    }

    /** {@return where the store is, without any credential: for messages} */
    public String description() {
        return handle.use(store -> Native.text(CFunction.STORE_DESCRIPTION, store, 0));
    }

    /**
     * Logs in with another password from now on, for tokens that rotate.
     *
     * @param password the password of the user that the store was opened with
     * @throws ArrowRedisException as {@link #setCredentials(String, String)}
     */
    public void setPassword(String password) {
        setCredentials("", password);
    }

    /**
     * Logs in with other credentials from now on: new connections use them, requests under way end as they are, and
     * connections made with the old ones serve no further request. Never blocks.
     *
     * @param user the user; empty for the one that the store was opened with
     * @param password its password, which is never shown
     * @throws ArrowRedisException UNSUPPORTED for a store that nobody logs in to
     */
    public void setCredentials(String user, String password) {
        handle.use(store -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Text name = scratch.text(user);
                Scratch.Text secret = scratch.text(password);
                Native.check(
                        CFunction.STORE_SET_CREDENTIALS,
                        store,
                        name.address(),
                        name.length(),
                        secret.address(),
                        secret.length());
                return null;
            }
        });
    }

    /**
     * Asks the store how it is.
     *
     * @return what the server says of itself
     * @throws ArrowRedisException what keeps it from answering, such as UNAVAILABLE or PERMISSION_DENIED
     */
    public ServerInfo ping() {
        return ping(new Context());
    }

    /**
     * Asks the store how it is.
     *
     * @param context bounds
     * @return what the server says of itself
     * @throws ArrowRedisException what keeps it from answering, such as UNAVAILABLE or PERMISSION_DENIED
     */
    public ServerInfo ping(Context context) {
        return call(context, this::pingNow);
    }

    /**
     * Asks the store how it is, without blocking.
     *
     * @param context bounds
     * @return the future of what the server says of itself
     */
    public CompletableFuture<ServerInfo> pingAsync(Context context) {
        return start(context, this::pingNow);
    }

    private ServerInfo pingNow(long context) {
        long info = open((store, out, scratch) -> Native.check(CFunction.STORE_PING, store, context, out));
        try {
            return ServerInfo.from(info);
        } finally {
            Native.call(CFunction.SERVER_INFO_FREE, info);
        }
    }

    /**
     * Lists the datasets whose names begin with a text.
     *
     * @param start the text; empty for all
     * @param context bounds
     * @return what is there, in the order of the names
     */
    public List<DatasetSummary> list(String start, Context context) {
        return call(context, bounds -> listNow(start, bounds));
    }

    /** {@return all datasets, in the order of their names} */
    public List<DatasetSummary> list() {
        return list("", new Context());
    }

    private List<DatasetSummary> listNow(String start, long context) {
        long list = open((store, out, scratch) -> {
            Scratch.Text text = scratch.text(start);
            Native.check(CFunction.DATASET_LIST_OPEN, store, text.address(), text.length(), context, out);
        });
        try (Scratch scratch = new Scratch()) {
            List<DatasetSummary> summaries = new ArrayList<>();
            long count = Native.call(CFunction.DATASET_LIST_COUNT, list);
            for (long index = 0; index < count; index++) {
                Scratch.Place fields = scratch.place(DatasetSummary.FIELDS);
                Native.check(CFunction.DATASET_LIST_GET, list, index, fields.address(), fields.size());
                summaries.add(DatasetSummary.from(fields));
            }
            return summaries;
        } finally {
            Native.call(CFunction.DATASET_LIST_FREE, list);
        }
    }

    /**
     * Opens a published dataset by reading its manifest.
     *
     * @param prefix its name
     * @return the dataset, at the version that is current now
     * @throws ArrowRedisException NOT_FOUND when there is none; CORRUPT or UNSUPPORTED when its manifest cannot be used
     */
    public Dataset dataset(String prefix) {
        return dataset(prefix, new Context());
    }

    /**
     * Opens a published dataset by reading its manifest.
     *
     * @param prefix its name
     * @param context bounds
     * @return the dataset, at the version that is current now
     * @throws ArrowRedisException NOT_FOUND when there is none; CORRUPT or UNSUPPORTED when its manifest cannot be used
     */
    public Dataset dataset(String prefix, Context context) {
        return call(context, bounds -> datasetNow(prefix, bounds));
    }

    /**
     * Opens a published dataset, without blocking.
     *
     * @param prefix its name
     * @param context bounds
     * @return the future of the dataset
     */
    public CompletableFuture<Dataset> datasetAsync(String prefix, Context context) {
        return start(context, bounds -> datasetNow(prefix, bounds));
    }

    private Dataset datasetNow(String prefix, long context) {
        return new Dataset(open((store, out, scratch) -> {
            Scratch.Text text = scratch.text(prefix);
            Native.check(CFunction.DATASET_OPEN, store, text.address(), text.length(), context, out);
        }));
    }

    /**
     * Opens a dataset that has no manifest, such as other programs write. Nothing is read yet: its partitions are found
     * when it is read, or named by the read's options.
     *
     * @param prefix its name
     * @return the dataset
     * @throws ArrowRedisException INVALID_ARGUMENT for a prefix that cannot be
     */
    public Dataset datasetWithoutManifest(String prefix) {
        return new Dataset(open((store, out, scratch) -> {
            Scratch.Text text = scratch.text(prefix);
            Native.check(CFunction.DATASET_OPEN_WITHOUT_MANIFEST, store, text.address(), text.length(), out);
        }));
    }

    /**
     * Deletes a dataset: its manifest first, then its chunks, and nothing else.
     *
     * @param prefix its name
     * @return how many chunks were deleted
     * @throws ArrowRedisException NOT_FOUND when there is nothing; CONFLICT while it is being written
     */
    public long delete(String prefix) {
        return delete(prefix, new Context());
    }

    /**
     * Deletes a dataset: its manifest first, then its chunks, and nothing else.
     *
     * @param prefix its name
     * @param context bounds
     * @return how many chunks were deleted
     * @throws ArrowRedisException NOT_FOUND when there is nothing; CONFLICT while it is being written
     */
    public long delete(String prefix, Context context) {
        return call(
                context,
                bounds -> open((store, out, scratch) -> {
                    Scratch.Text text = scratch.text(prefix);
                    Native.check(CFunction.DATASET_DELETE, store, text.address(), text.length(), bounds, out);
                }));
    }

    /**
     * Writes an IPC file to the store as a dataset, with default options.
     *
     * @param prefix the dataset's name
     * @param file the file
     * @return what it came to
     * @throws ArrowRedisException as {@link #splitFile(String, Path, SplitOptions, Context)}
     */
    public SplitReport splitFile(String prefix, Path file) {
        return splitFile(prefix, file, new SplitOptions(), new Context());
    }

    /**
     * Writes an IPC file to the store as a dataset, and publishes it last: readers see all of it or nothing.
     *
     * @param prefix the dataset's name
     * @param file the file
     * @param options how to write
     * @param context bounds
     * @return what it came to
     * @throws ArrowRedisException ALREADY_EXISTS unless the options say otherwise; CONFLICT when another writer is at it;
     *     INVALID_ARGUMENT for a batch that holds several partitions; CORRUPT and UNSUPPORTED for a file that cannot be
     *     used; what the store reports
     */
    public SplitReport splitFile(String prefix, Path file, SplitOptions options, Context context) {
        return call(context, splitFileNow(prefix, file, options.freeze()));
    }

    /**
     * Writes an IPC file to the store as a dataset, without blocking.
     *
     * @param prefix the dataset's name
     * @param file the file
     * @param options how to write
     * @param context bounds
     * @return the future of what it came to
     */
    public CompletableFuture<SplitReport> splitFileAsync(
            String prefix, Path file, SplitOptions options, Context context) {
        return start(context, splitFileNow(prefix, file, options.freeze()));
    }

    /**
     * Writes an IPC file on S3 to the store as a dataset, and publishes it last.
     *
     * @param prefix the dataset's name
     * @param url {@code s3://BUCKET/KEY}; {@link S3Options} stand in its query
     * @param options how to write
     * @param context bounds
     * @return what it came to
     * @throws ArrowRedisException as {@link #splitFile(String, Path, SplitOptions, Context)}; CONFLICT for an object that
     *     was replaced while it was read
     */
    public SplitReport splitFile(String prefix, URI url, SplitOptions options, Context context) {
        return call(context, splitFileNow(prefix, url, options.freeze()));
    }

    private LongFunction<SplitReport> splitFileNow(String prefix, Object location, Options.Frozen options) {
        return context -> split(options, (store, nativeOptions, report, metrics, scratch) -> {
            Scratch.Text name = scratch.text(prefix);
            Scratch.Text path = scratch.text(location.toString());
            Native.check(
                    CFunction.SPLIT_FILE,
                    store,
                    name.address(),
                    name.length(),
                    path.address(),
                    path.length(),
                    nativeOptions,
                    context,
                    report.address(),
                    report.size(),
                    metrics.address(),
                    metrics.size());
        });
    }

    /**
     * Writes an Arrow stream to the store as a dataset, and publishes it last.
     *
     * <p>The stream is moved, whatever the outcome; its callbacks are called from a thread of the library. The artifact
     * {@code arrowredis-arrow} takes an arrow-java reader instead.
     *
     * @param prefix the dataset's name
     * @param stream the address of an {@code ArrowArrayStream}
     * @param options how to write
     * @param context bounds
     * @return what it came to
     * @throws ArrowRedisException as {@link #splitFile(String, Path, SplitOptions, Context)}; an error of the stream comes
     *     back with its text
     */
    public SplitReport splitStream(String prefix, long stream, SplitOptions options, Context context) {
        Options.Frozen frozen = options.freeze();
        return call(
                context,
                bounds -> split(frozen, (store, nativeOptions, report, metrics, scratch) -> {
                    Scratch.Text name = scratch.text(prefix);
                    Native.check(
                            CFunction.SPLIT_STREAM,
                            store,
                            name.address(),
                            name.length(),
                            stream,
                            nativeOptions,
                            bounds,
                            report.address(),
                            report.size(),
                            metrics.address(),
                            metrics.size());
                }));
    }

    /**
     * Starts writing a dataset batch by batch. The context's timeout and token bound everything until the writer is
     * finished. Errors of the store come with the first batches, or when it is finished.
     *
     * @param prefix the dataset's name
     * @param schema the address of the {@code ArrowSchema} of the batches, which is moved, whatever the outcome
     * @param options how to write
     * @param context bounds
     * @return the writer
     */
    public Writer writer(String prefix, long schema, SplitOptions options, Context context) {
        Options.Frozen frozen = options.freeze();
        Writer writer = call(
                context,
                bounds -> new Writer(open((store, out, scratch) -> {
                    Scratch.Text name = scratch.text(prefix);
                    frozen.use(nativeOptions -> {
                        Native.check(
                                CFunction.WRITER_OPEN,
                                store,
                                name.address(),
                                name.length(),
                                schema,
                                nativeOptions,
                                bounds,
                                out);
                        return null;
                    });
                })));
        writer.follow(context);
        return writer;
    }

    /**
     * Removes the chunks of uploads that died unpublished, and nothing else: chunks that a manifest lists are never
     * touched. A dead writer's lease ends by itself within 30 s; until then its dataset counts as in use.
     *
     * @param start what the names of the datasets begin with; empty for all
     * @param context bounds
     * @return what was removed
     */
    public GarbageReport collectGarbage(String start, Context context) {
        return call(
                context,
                bounds -> handle.use(store -> {
                    try (Scratch scratch = new Scratch()) {
                        Scratch.Text text = scratch.text(start);
                        Scratch.Place report = scratch.place(GarbageReport.FIELDS);
                        Native.check(
                                CFunction.COLLECT_GARBAGE,
                                store,
                                text.address(),
                                text.length(),
                                bounds,
                                report.address(),
                                report.size(),
                                0L);
                        return GarbageReport.from(report);
                    }
                }));
    }

    /**
     * Closes the store. Calls that are under way end first; datasets and readers that were opened from it go on. Does
     * nothing the second time.
     */
    @Override
    public void close() {
        handle.close();
    }

    /** A native call that writes one result. */
    private interface Opening {
        void call(long store, long out, Scratch scratch);
    }

    private long open(Opening opening) {
        return handle.use(store -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place out = scratch.place(1);
                opening.call(store, out.address(), scratch);
                return out.value();
            }
        });
    }

    private interface Splitting {
        void call(long store, long options, Scratch.Place report, Scratch.Place metrics, Scratch scratch);
    }

    private SplitReport split(Options.Frozen options, Splitting splitting) {
        return handle.use(store -> options.use(nativeOptions -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place report = scratch.place(SplitReport.FIELDS);
                Scratch.Place metrics = scratch.place(Metrics.FIELDS);
                splitting.call(store, nativeOptions, report, metrics, scratch);
                return SplitReport.from(report, metrics);
            }
        }));
    }

    private static <T> T call(Context context, LongFunction<T> work) {
        return Operation.call(new ContextBounds(context), work);
    }

    private static <T> CompletableFuture<T> start(Context context, LongFunction<T> work) {
        return Operation.start(new ContextBounds(context), work);
    }
}
