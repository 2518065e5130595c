package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Handle;
import io.arrowredis.internal.HandleBounds;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Operation;
import io.arrowredis.internal.Scratch;

/**
 * A dataset that is being written batch by batch. Nothing is visible to readers before it is finished; closing it before
 * that abandons the upload and removes what was written.
 *
 * <p>For all threads; batches are written in the order in which the calls come. Interrupting a thread that waits in a
 * call ends the whole upload.
 */
public final class Writer implements AutoCloseable {
    private final Handle handle;
    private final HandleBounds bounds;
    private final Runnable cancel = this::cancel;
    private Context context = new Context();

    Writer(long address) {
        handle = new Handle(this, "writer", address, CFunction.WRITER_FREE);
        bounds = new HandleBounds(handle, CFunction.WRITER_CANCEL);
    }

    /** Keeps to the token of a context after the call that opened the writer. */
    void follow(Context context) {
        this.context = context;
        if (context.cancelToken() != null) {
            context.cancelToken().link(cancel);
        }
    }

    /**
     * Writes a record batch. Blocks while earlier batches are on their way and the budget of bytes is used up.
     *
     * @param batch the address of an {@code ArrowArray}, a struct array, which is moved once the call has begun, and
     *     released when it is written
     * @throws ArrowRedisException INVALID_ARGUMENT for a batch that does not fit the schema, which changes nothing; what
     *     ended the upload
     */
    public void write(long batch) {
        Operation.call(
                bounds,
                unused -> handle.use(writer -> {
                    Native.check(CFunction.WRITER_WRITE, writer, batch);
                    return null;
                }));
    }

    /**
     * Writes what is left, and publishes the dataset.
     *
     * @return what it came to
     * @throws ArrowRedisException as {@link Store#splitFile(String, java.nio.file.Path, SplitOptions, Context)}: nothing was
     *     published then
     */
    public SplitReport finish() {
        return Operation.call(
                bounds,
                unused -> handle.use(writer -> {
                    try (Scratch scratch = new Scratch()) {
                        Scratch.Place report = scratch.place(SplitReport.FIELDS);
                        Scratch.Place metrics = scratch.place(Metrics.FIELDS);
                        Native.check(
                                CFunction.WRITER_FINISH,
                                writer,
                                report.address(),
                                report.size(),
                                metrics.address(),
                                metrics.size());
                        return SplitReport.from(report, metrics);
                    }
                }));
    }

    /** Cancels the upload: calls that are under way, and later ones, fail with CANCELLED. Never blocks. */
    public void cancel() {
        bounds.cancel();
    }

    /** Closes the writer; an upload that was not finished is abandoned. Does nothing the second time. */
    @Override
    public void close() {
        if (context.cancelToken() != null) {
            context.cancelToken().unlink(cancel);
        }
        handle.close();
    }
}
