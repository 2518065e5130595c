package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Handle;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Scratch;
import java.net.URI;
import java.nio.file.Path;
import java.util.function.LongFunction;

/**
 * One of the two things that {@link ArrowRedis#verify} compares. May be used for several comparisons, one after the
 * other; a stream for one.
 */
public final class VerifySide implements AutoCloseable {
    private final Handle handle;

    private VerifySide(long address) {
        handle = new Handle(this, "side of a comparison", address, CFunction.VERIFY_SIDE_FREE);
    }

    /** {@return the address of the native side, for the time of some work} */
    <T> T use(LongFunction<T> work) {
        return handle.use(work);
    }

    /**
     * A dataset as a side.
     *
     * @param dataset the dataset, which may be closed afterwards
     * @param options the partitions and columns that are meant
     * @return the side
     */
    public static VerifySide of(Dataset dataset, ReadOptions options) {
        return dataset.handle()
                .use(address -> create(
                        options.freeze(),
                        (nativeOptions, out, scratch) ->
                                Native.check(CFunction.VERIFY_DATASET, address, nativeOptions, out)));
    }

    /**
     * A whole dataset as a side.
     *
     * @param dataset the dataset, which may be closed afterwards
     * @return the side
     */
    public static VerifySide of(Dataset dataset) {
        return of(dataset, new ReadOptions());
    }

    /**
     * An IPC file as a side.
     *
     * @param file the file
     * @param options the partitions and columns that are meant
     * @return the side
     * @throws ArrowRedisException as {@link ArrowRedis#readFile(Path, FileReadOptions)}
     */
    public static VerifySide of(Path file, FileReadOptions options) {
        return ofFile(file, options);
    }

    /**
     * An IPC file on S3 as a side.
     *
     * @param url {@code s3://BUCKET/KEY}; {@link S3Options} stand in its query
     * @param options the partitions and columns that are meant
     * @return the side
     * @throws ArrowRedisException as {@link ArrowRedis#readFile(URI, FileReadOptions, Context)}
     */
    public static VerifySide of(URI url, FileReadOptions options) {
        return ofFile(url, options);
    }

    private static VerifySide ofFile(Object location, FileReadOptions options) {
        return create(options.freeze(), (nativeOptions, out, scratch) -> {
            Scratch.Text path = scratch.text(location.toString());
            Native.check(CFunction.VERIFY_FILE, path.address(), path.length(), nativeOptions, out);
        });
    }

    /**
     * A whole IPC file as a side.
     *
     * @param file the file
     * @return the side
     * @throws ArrowRedisException as {@link ArrowRedis#readFile(Path, FileReadOptions)}
     */
    public static VerifySide of(Path file) {
        return of(file, new FileReadOptions());
    }

    /**
     * An Arrow stream as a side. It can be compared once, and not by partition.
     *
     * @param name what messages call it
     * @param stream the address of an {@code ArrowArrayStream}, which is moved, whatever the outcome
     * @return the side
     */
    public static VerifySide ofStream(String name, long stream) {
        return create(new FileReadOptions().freeze(), (nativeOptions, out, scratch) -> {
            Scratch.Text text = scratch.text(name);
            Native.check(CFunction.VERIFY_STREAM, text.address(), text.length(), stream, out);
        });
    }

    private interface Creating {
        void call(long options, long out, Scratch scratch);
    }

    private static VerifySide create(Options.Frozen options, Creating creating) {
        return options.use(nativeOptions -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place out = scratch.place(1);
                creating.call(nativeOptions, out.address(), scratch);
                return new VerifySide(out.value());
            }
        });
    }

    /** Closes it. Does nothing the second time. */
    @Override
    public void close() {
        handle.close();
    }
}
