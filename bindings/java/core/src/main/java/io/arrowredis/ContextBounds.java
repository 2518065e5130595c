package io.arrowredis;

import io.arrowredis.internal.Bounds;
import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Scratch;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** A {@link Context} for one call: the native context and token, as long as the call runs. */
final class ContextBounds implements Bounds {
    private static final long NANOS_PER_MILLI = 1_000_000;

    private final Context context;
    private final Long deadline;
    private final Runnable cancel = this::cancel;
    private boolean cancelled;
    private long nativeContext;
    private long token;
    private Metrics metrics = Metrics.NONE;

    ContextBounds(Context context) {
        this.context = context;
        Duration timeout = context.timeout();
        deadline = timeout == null ? null : System.nanoTime() + TimeUnit.NANOSECONDS.convert(timeout);
    }

    @Override
    public long begin() {
        if (context.cancelToken() != null) {
            context.cancelToken().link(cancel);
        }
        long created = create();
        context.report(this::metrics);
        return created;
    }

    private synchronized long create() {
        try (Scratch scratch = new Scratch()) {
            Scratch.Place place = scratch.place(1);
            Native.check(CFunction.CANCEL_TOKEN_NEW, place.address());
            token = place.value();
            Native.check(CFunction.CONTEXT_NEW, place.address());
            nativeContext = place.value();
            Native.check(CFunction.CONTEXT_SET_CANCEL_TOKEN, nativeContext, token);
            if (deadline != null) {
                Native.check(CFunction.CONTEXT_SET_TIMEOUT, nativeContext, millisLeft());
            }
            if (context.maxInflightBytes() != 0) {
                Native.check(CFunction.CONTEXT_SET_MAX_INFLIGHT_BYTES, nativeContext, context.maxInflightBytes());
            }
            if (cancelled) {
                Native.call(CFunction.CANCEL_TOKEN_CANCEL, token);
            }
            return nativeContext;
        }
    }

    private long millisLeft() {
        long nanos = deadline - System.nanoTime();
        return Math.max(1, (nanos + NANOS_PER_MILLI - 1) / NANOS_PER_MILLI);
    }

    @Override
    public synchronized void cancel() {
        cancelled = true;
        if (token != 0) {
            Native.call(CFunction.CANCEL_TOKEN_CANCEL, token);
        }
    }

    private synchronized Metrics metrics() {
        if (nativeContext != 0) {
            metrics = read(CFunction.CONTEXT_METRICS, nativeContext);
        }
        return metrics;
    }

    static Metrics read(CFunction function, long handle) {
        try (Scratch scratch = new Scratch()) {
            Scratch.Place fields = scratch.place(Metrics.FIELDS);
            Native.check(function, handle, fields.address(), fields.size());
            return Metrics.from(fields);
        }
    }

    @Override
    public void end() {
        if (context.cancelToken() != null) {
            context.cancelToken().unlink(cancel);
        }
        synchronized (this) {
            metrics();
            Native.call(CFunction.CONTEXT_FREE, nativeContext);
            Native.call(CFunction.CANCEL_TOKEN_FREE, token);
            nativeContext = 0;
            token = 0;
        }
    }

    @Override
    public Long deadline() {
        return deadline;
    }
}
