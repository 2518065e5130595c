package io.arrowredis;

import java.time.Duration;
import java.util.function.Supplier;

/**
 * What bounds and reports an operation: a timeout, a cancel token, a limit of bytes in flight, and the figures of the
 * latest operation that was started with it. Every method that blocks has a form that takes one; the other form has no
 * bounds but those of the store's options, and an interrupt.
 *
 * {@snippet :
 * Context context = new Context().withTimeout(Duration.ofSeconds(10));
 * CompletableFuture<SplitReport> split = store.splitFileAsync("demo:v1", file, new SplitOptions(), context);
 * while (!split.isDone()) {
 *     Metrics metrics = context.metrics();
 *     show(metrics.chunks(), metrics.chunksExpected());
 *     Thread.sleep(100);
 * }
 * }
 *
 * <p>For all threads, for one operation after the other. The timeout counts anew for each.
 */
public final class Context {
    private final Duration timeout;
    private final CancelToken cancelToken;
    private final long maxInflightBytes;
    private volatile Supplier<Metrics> latest = () -> Metrics.NONE;

    /** A context without bounds. */
    public Context() {
        this(null, null, 0);
    }

    private Context(Duration timeout, CancelToken cancelToken, long maxInflightBytes) {
        this.timeout = timeout;
        this.cancelToken = cancelToken;
        this.maxInflightBytes = maxInflightBytes;
    }

    /**
     * A context whose operations end with {@link ErrorCode#TIMEOUT} when they have run for so long. A reader's time runs
     * from its start to its last batch.
     *
     * @param timeout more than nothing; rounded up to milliseconds
     * @return a context that differs in that
     */
    public Context withTimeout(Duration timeout) {
        if (timeout.isNegative() || timeout.isZero()) {
            throw new IllegalArgumentException("a timeout of " + timeout + " leaves no time: expected more than 0");
        }
        return new Context(timeout, cancelToken, maxInflightBytes);
    }

    /**
     * A context whose operations end when a token is fired.
     *
     * @param cancelToken the token
     * @return a context that differs in that
     */
    public Context withCancelToken(CancelToken cancelToken) {
        return new Context(timeout, cancelToken, maxInflightBytes);
    }

    /**
     * A context whose operations may have so many bytes in flight. The process's budget may allow less; one chunk is
     * always allowed.
     *
     * @param maxInflightBytes bytes; 0 for the default
     * @return a context that differs in that
     */
    public Context withMaxInflightBytes(long maxInflightBytes) {
        return new Context(timeout, cancelToken, maxInflightBytes);
    }

    /**
     * The figures of the latest operation that was started with this context, all zero before the first.
     *
     * @return a snapshot, while the operation runs or after it
     */
    public Metrics metrics() {
        return latest.get();
    }

    void report(Supplier<Metrics> figures) {
        latest = figures;
    }

    Duration timeout() {
        return timeout;
    }

    CancelToken cancelToken() {
        return cancelToken;
    }

    long maxInflightBytes() {
        return maxInflightBytes;
    }
}
