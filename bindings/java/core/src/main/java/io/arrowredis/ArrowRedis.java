package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Operation;
import io.arrowredis.internal.Scratch;
import java.net.URI;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongFunction;

/** What needs no store: generating datasets, reading files, comparing, and the process as a whole. */
public final class ArrowRedis {
    private ArrowRedis() {}

    /**
     * The version of the native library, which is loaded for this if it was not.
     *
     * @return such as {@code 0.1.0}
     * @throws ArrowRedisException UNSUPPORTED when the library cannot be loaded or is of another version, saying what to do
     */
    public static String version() {
        return Native.text(CFunction.VERSION);
    }

    /**
     * How many native handles, and exported Arrow structs, have been handed out and not been freed yet. A program that
     * has closed everything sees 0.
     *
     * @return the number, of the whole process
     */
    public static long liveHandles() {
        return Native.call(CFunction.LIVE_HANDLES);
    }

    /**
     * All counters and histograms of the process since its start, in the text format of Prometheus; what each counts
     * stands in the text. It holds no name of a key, a server or a user.
     *
     * {@snippet :
     * server.createContext("/metrics", exchange -> {
     *     byte[] text = ArrowRedis.metricsText().getBytes(StandardCharsets.UTF_8);
     *     exchange.sendResponseHeaders(200, text.length);
     *     exchange.getResponseBody().write(text);
     *     exchange.close();
     * });
     * }
     *
     * @return the text
     */
    public static String metricsText() {
        try (Scratch scratch = new Scratch()) {
            Scratch.Place out = scratch.place(1);
            Native.check(CFunction.METRICS_TEXT, out.address());
            long text = out.value();
            try {
                return Native.text(CFunction.TEXT_GET, text, 0);
            } finally {
                Native.call(CFunction.TEXT_FREE, text);
            }
        }
    }

    /**
     * Makes the settings of the whole process.
     *
     * @param options the settings
     * @throws ArrowRedisException CONFLICT once the library has started its threads, which the first operation does
     */
    public static void configure(RuntimeOptions options) {
        options.freeze().use(nativeOptions -> {
            Native.check(CFunction.CONFIGURE, nativeOptions);
            return null;
        });
    }

    /**
     * Generates a dataset into an IPC file, which gets its name only when it is complete. The same options and seed give
     * the same bytes.
     *
     * @param file the file
     * @param options what to generate
     * @param context bounds
     * @return what it cost
     * @throws ArrowRedisException INVALID_ARGUMENT for impossible options; what the file system reports
     */
    public static Metrics generateFile(Path file, GenerateOptions options, Context context) {
        return call(context, generateFileNow(file, options.freeze()));
    }

    /**
     * Generates a dataset into an IPC file.
     *
     * @param file the file
     * @param options what to generate
     * @return what it cost
     * @throws ArrowRedisException as {@link #generateFile(Path, GenerateOptions, Context)}
     */
    public static Metrics generateFile(Path file, GenerateOptions options) {
        return generateFile(file, options, new Context());
    }

    /**
     * Generates a dataset into an IPC file, without blocking.
     *
     * @param file the file
     * @param options what to generate
     * @param context bounds
     * @return the future of what it cost
     */
    public static CompletableFuture<Metrics> generateFileAsync(Path file, GenerateOptions options, Context context) {
        return start(context, generateFileNow(file, options.freeze()));
    }

    private static LongFunction<Metrics> generateFileNow(Path file, Options.Frozen options) {
        return bounds -> options.use(nativeOptions -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Text path = scratch.text(file.toString());
                Scratch.Place metrics = scratch.place(Metrics.FIELDS);
                Native.check(
                        CFunction.GENERATE_FILE,
                        path.address(),
                        path.length(),
                        nativeOptions,
                        bounds,
                        metrics.address(),
                        metrics.size());
                return Metrics.from(metrics);
            }
        });
    }

    /**
     * Starts generating a dataset in memory: batches are made as they are taken.
     *
     * @param options what to generate
     * @param context bounds of the whole read
     * @return the reader
     * @throws ArrowRedisException INVALID_ARGUMENT for impossible options
     */
    public static Reader generate(GenerateOptions options, Context context) {
        Options.Frozen frozen = options.freeze();
        return call(
                context,
                bounds -> Reader.open(
                        frozen,
                        context,
                        (nativeOptions, out) -> Native.check(CFunction.GENERATE, nativeOptions, bounds, out)));
    }

    /**
     * Starts generating a dataset in memory.
     *
     * @param options what to generate
     * @return the reader
     * @throws ArrowRedisException INVALID_ARGUMENT for impossible options
     */
    public static Reader generate(GenerateOptions options) {
        return generate(options, new Context());
    }

    /**
     * Starts reading an IPC file. Only the wanted partitions are touched. Of a mapped file (option {@code mmap}),
     * uncompressed columns are handed out where they lie: it must not change while its arrays are alive, and one that is
     * cut short ends the process.
     *
     * @param file the file
     * @param options what to read
     * @param context bounds of the whole read
     * @return the reader
     * @throws ArrowRedisException NOT_FOUND for a file, partition or column that does not exist; CORRUPT and UNSUPPORTED
     *     for a file that cannot be read
     */
    public static Reader readFile(Path file, FileReadOptions options, Context context) {
        return call(context, readFileNow(file, options.freeze(), context));
    }

    /**
     * Starts reading an IPC file.
     *
     * @param file the file
     * @param options what to read
     * @return the reader
     * @throws ArrowRedisException as {@link #readFile(Path, FileReadOptions, Context)}
     */
    public static Reader readFile(Path file, FileReadOptions options) {
        return readFile(file, options, new Context());
    }

    /**
     * Starts reading an IPC file, without blocking.
     *
     * @param file the file
     * @param options what to read
     * @param context bounds of the whole read
     * @return the future of the reader
     */
    public static CompletableFuture<Reader> readFileAsync(Path file, FileReadOptions options, Context context) {
        return start(context, readFileNow(file, options.freeze(), context));
    }

    /**
     * Starts reading an IPC file on S3.
     *
     * @param url {@code s3://BUCKET/KEY}; {@link S3Options} stand in its query
     * @param options what to read
     * @param context bounds of the whole read
     * @return the reader
     * @throws ArrowRedisException as {@link #readFile(Path, FileReadOptions, Context)}; CONFLICT for an object that was
     *     replaced while it was read; what its server reports
     */
    public static Reader readFile(URI url, FileReadOptions options, Context context) {
        return call(context, readFileNow(url, options.freeze(), context));
    }

    /**
     * Starts reading an IPC file on S3, without blocking.
     *
     * @param url {@code s3://BUCKET/KEY}; {@link S3Options} stand in its query
     * @param options what to read
     * @param context bounds of the whole read
     * @return the future of the reader
     */
    public static CompletableFuture<Reader> readFileAsync(URI url, FileReadOptions options, Context context) {
        return start(context, readFileNow(url, options.freeze(), context));
    }

    private static LongFunction<Reader> readFileNow(Object location, Options.Frozen options, Context context) {
        return bounds -> Reader.open(options, context, (nativeOptions, out) -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Text path = scratch.text(location.toString());
                Native.check(CFunction.READ_FILE, path.address(), path.length(), nativeOptions, bounds, out);
            }
        });
    }

    /**
     * Uploads a file, of whatever kind, to S3, replacing what is there. A large file is sent in parts, several at once;
     * when the upload ends early, by whatever, the parts that were sent are removed.
     *
     * @param file the file
     * @param url {@code s3://BUCKET/KEY}; its query has precedence over the options
     * @param options how S3 is reached
     * @param context bounds
     * @return what it cost; a chunk is one part
     * @throws ArrowRedisException NOT_FOUND for a file or bucket that does not exist; what the server reports
     */
    public static Metrics uploadFile(Path file, URI url, S3Options options, Context context) {
        return call(context, uploadFileNow(file, url, options.freeze()));
    }

    /**
     * Uploads a file to S3, without blocking.
     *
     * @param file the file
     * @param url {@code s3://BUCKET/KEY}; its query has precedence over the options
     * @param options how S3 is reached
     * @param context bounds
     * @return the future of what it cost
     */
    public static CompletableFuture<Metrics> uploadFileAsync(Path file, URI url, S3Options options, Context context) {
        return start(context, uploadFileNow(file, url, options.freeze()));
    }

    private static LongFunction<Metrics> uploadFileNow(Path file, URI url, Options.Frozen options) {
        return bounds -> options.use(nativeOptions -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Text path = scratch.text(file.toString());
                Scratch.Text location = scratch.text(url.toString());
                Scratch.Place metrics = scratch.place(Metrics.FIELDS);
                Native.check(
                        CFunction.UPLOAD_FILE,
                        path.address(),
                        path.length(),
                        location.address(),
                        location.length(),
                        nativeOptions,
                        bounds,
                        metrics.address(),
                        metrics.size());
                return Metrics.from(metrics);
            }
        });
    }

    /**
     * Compares two sides: schema, number of rows, and all values, bit by bit; batch boundaries do not matter.
     *
     * @param left one side
     * @param right the other
     * @param options how to compare
     * @param context bounds
     * @return what was found; a difference is no error
     * @throws ArrowRedisException what keeps a side from being read
     */
    public static VerifyReport verify(VerifySide left, VerifySide right, VerifyOptions options, Context context) {
        return call(context, verifyNow(left, right, options.freeze()));
    }

    /**
     * Compares two sides.
     *
     * @param left one side
     * @param right the other
     * @return what was found; a difference is no error
     * @throws ArrowRedisException what keeps a side from being read
     */
    public static VerifyReport verify(VerifySide left, VerifySide right) {
        return verify(left, right, new VerifyOptions(), new Context());
    }

    /**
     * Compares two sides, without blocking.
     *
     * @param left one side
     * @param right the other
     * @param options how to compare
     * @param context bounds
     * @return the future of what was found
     */
    public static CompletableFuture<VerifyReport> verifyAsync(
            VerifySide left, VerifySide right, VerifyOptions options, Context context) {
        return start(context, verifyNow(left, right, options.freeze()));
    }

    private static LongFunction<VerifyReport> verifyNow(VerifySide left, VerifySide right, Options.Frozen options) {
        return bounds -> left.use(leftSide -> right.use(rightSide -> options.use(nativeOptions -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place out = scratch.place(1);
                Native.check(CFunction.VERIFY, leftSide, rightSide, nativeOptions, bounds, out.address());
                long report = out.value();
                try {
                    return VerifyReport.from(report);
                } finally {
                    Native.call(CFunction.VERIFY_REPORT_FREE, report);
                }
            }
        })));
    }

    private static <T> T call(Context context, LongFunction<T> work) {
        return Operation.call(new ContextBounds(context), work);
    }

    private static <T> CompletableFuture<T> start(Context context, LongFunction<T> work) {
        return Operation.start(new ContextBounds(context), work);
    }
}
