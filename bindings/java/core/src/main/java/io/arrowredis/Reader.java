package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Handle;
import io.arrowredis.internal.HandleBounds;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Operation;
import io.arrowredis.internal.Scratch;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongFunction;

/**
 * A running read: record batches in the order of partition and batch. Fetching and decoding go on in the background
 * while batches are taken, as far as the budget of bytes allows.
 *
 * <p>Batches are handed out through the structs of the Arrow C data interface, by their addresses; the artifact
 * {@code arrowredis-arrow} has them as arrow-java vectors. Arrays outlive reader, dataset and store.
 *
 * <p>For all threads; a batch goes to one of those that ask. Interrupting a thread that waits for a batch ends the whole
 * read.
 */
public final class Reader implements AutoCloseable {
    private final Handle handle;
    private final HandleBounds bounds;
    private final Context context;
    private final Runnable cancel = this::cancel;
    private volatile Metrics last = Metrics.NONE;

    private Reader(long address, Context context) {
        handle = new Handle(this, "reader", address, CFunction.READER_FREE);
        bounds = new HandleBounds(handle, CFunction.READER_CANCEL);
        this.context = context;
    }

    /** A native call that starts a read. */
    interface Opening {
        void call(long options, long out);
    }

    static Reader open(Options.Frozen options, Context context, Opening opening) {
        Reader reader = options.use(nativeOptions -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place out = scratch.place(1);
                opening.call(nativeOptions, out.address());
                return new Reader(out.value(), context);
            }
        });
        context.report(reader::metrics);
        if (context.cancelToken() != null) {
            context.cancelToken().link(reader.cancel);
        }
        return reader;
    }

    /**
     * Writes the schema of the batches to an {@code ArrowSchema}.
     *
     * @param schema the address of the struct; the caller releases what is written there
     */
    public void exportSchema(long schema) {
        handle.use(reader -> {
            Native.check(CFunction.READER_SCHEMA, reader, schema);
            return null;
        });
    }

    /**
     * Takes the next batch, waiting until it is decoded. An error ends the read: every later call reports it again.
     *
     * @param array the address of an {@code ArrowArray}, to which the batch is written as a struct array; the caller
     *     releases it
     * @return where the batch belongs; empty after the last one
     * @throws ArrowRedisException what ended the read
     */
    public Optional<BatchPosition> next(long array) {
        return Operation.call(bounds, nextNow(array));
    }

    /**
     * Takes the next batch, without blocking.
     *
     * @param array the address of an {@code ArrowArray}, which must stay valid until the future is done
     * @return the future of where the batch belongs; empty after the last one
     */
    public CompletableFuture<Optional<BatchPosition>> nextAsync(long array) {
        return Operation.start(bounds, nextNow(array));
    }

    private LongFunction<Optional<BatchPosition>> nextNow(long array) {
        return unused -> handle.use(reader -> {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place position = scratch.place(1);
                Native.check(
                        CFunction.READER_NEXT, reader, array, position.address(), position.address() + Integer.BYTES);
                return Native.isReleasedArray(array)
                        ? Optional.empty()
                        : Optional.of(BatchPosition.of(position.intAt(0), position.intAt(Integer.BYTES)));
            }
        });
    }

    /**
     * Exports the reader as an Arrow C stream of the batches that have not been taken yet. What imports it waits in
     * native calls, which an interrupt does not end; cancel this reader, or the context's token, instead.
     *
     * @return the stream, which keeps the read going when this reader is closed
     */
    public ArrowStream stream() {
        ArrowStream stream = new ArrowStream();
        exportStream(stream.address());
        return stream;
    }

    /**
     * Exports the reader as {@link #stream()} does, to a struct of the caller's.
     *
     * @param stream the address of an {@code ArrowArrayStream}; the caller releases what is written there
     */
    public void exportStream(long stream) {
        handle.use(reader -> {
            Native.check(CFunction.READER_EXPORT, reader, stream);
            return null;
        });
    }

    /**
     * What ended the read: the detail behind the failure of an exported stream. Waits for another thread that is taking
     * a batch.
     *
     * @return the error; empty if none did
     */
    public Optional<ArrowRedisException> failure() {
        return Operation.call(
                bounds,
                unused -> handle.use(reader -> {
                    try (Scratch scratch = new Scratch()) {
                        Scratch.Place error = scratch.place(1);
                        Native.check(CFunction.READER_ERROR, reader, error.address());
                        return error.value() == 0 ? Optional.empty() : Optional.of(Native.failure(error.value()));
                    }
                }));
    }

    /** {@return the figures of the read: until now, or until the reader was closed} */
    public Metrics metrics() {
        try {
            return handle.use(reader -> ContextBounds.read(CFunction.READER_METRICS, reader));
        } catch (IllegalStateException closed) {
            return last;
        }
    }

    /** Ends the read; batches that are asked for from now on, or being waited for, fail with CANCELLED. Never blocks. */
    public void cancel() {
        bounds.cancel();
    }

    /** Ends the read, unless a stream was exported from it, which goes on. Does nothing the second time. */
    @Override
    public void close() {
        if (handle.isClosed()) {
            return;
        }
        last = metrics();
        if (context.cancelToken() != null) {
            context.cancelToken().unlink(cancel);
        }
        handle.close();
    }
}
