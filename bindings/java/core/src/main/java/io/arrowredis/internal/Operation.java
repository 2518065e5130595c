package io.arrowredis.internal;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.ErrorCode;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongFunction;

/**
 * A blocking call on a thread of the {@link BlockingPool}: the future of its result. Cancelling the future, or
 * interrupting who waits in {@link #await}, ends the native call.
 */
public final class Operation<T> extends CompletableFuture<T> implements Runnable {
    private final Bounds bounds;
    private final LongFunction<T> work;

    private Operation(Bounds bounds, LongFunction<T> work) {
        this.bounds = bounds;
        this.work = work;
    }

    /** Starts a call. Its work gets the address of the context. */
    public static <T> Operation<T> start(Bounds bounds, LongFunction<T> work) {
        Operation<T> operation = new Operation<>(bounds, work);
        BlockingPool.execute(operation);
        return operation;
    }

    /** Makes a call and waits for its end, which an interrupt brings about. */
    public static <T> T call(Bounds bounds, LongFunction<T> work) {
        Operation<T> operation = new Operation<>(bounds, work);
        if (Thread.currentThread().isInterrupted()) {
            // Before it begins, so that it does nothing.
            bounds.cancel();
        }
        if (BlockingPool.isWorker()) {
            operation.run();
        } else {
            BlockingPool.execute(operation);
        }
        return operation.await();
    }

    @Override
    public void run() {
        T result;
        try {
            long context = bounds.begin();
            try {
                result = work.apply(context);
            } finally {
                bounds.end();
            }
        } catch (Throwable e) {
            completeExceptionally(e);
            return;
        }
        // Nobody gets the result of a future that was cancelled meanwhile.
        if (!complete(result) && result instanceof AutoCloseable closeable) {
            closeQuietly(closeable);
        }
    }

    private static void closeQuietly(AutoCloseable closeable) {
        try {
            closeable.close();
        } catch (Exception e) {
            System.getLogger(Operation.class.getName())
                    .log(System.Logger.Level.WARNING, "closing what a cancelled call returned", e);
        }
    }

    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        // First, so that it is known as cancelled rather than as one that failed with CANCELLED.
        boolean cancelled = super.cancel(mayInterruptIfRunning);
        bounds.cancel();
        BlockingPool.takeBack(this);
        return cancelled;
    }

    private T await() {
        boolean interrupted = Thread.interrupted();
        if (interrupted) {
            cancelCall();
        }
        try {
            while (true) {
                try {
                    return waitForIt();
                } catch (InterruptedException e) {
                    interrupted = true;
                    cancelCall();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private T waitForIt() throws InterruptedException {
        Long deadline = bounds.deadline();
        try {
            if (deadline == null) {
                return get();
            }
            try {
                return get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                endInQueue(ErrorCode.TIMEOUT, "time is up");
                // One that has begun ends by itself now.
                return get();
            }
        } catch (ExecutionException e) {
            throw asOfCaller(e.getCause());
        }
    }

    private void cancelCall() {
        bounds.cancel();
        endInQueue(ErrorCode.CANCELLED, "the operation was cancelled");
    }

    /** Ends a call that has not begun. */
    private void endInQueue(ErrorCode code, String what) {
        if (BlockingPool.takeBack(this)) {
            completeExceptionally(ArrowRedisException.of(
                    code,
                    what + " before a thread for native calls was free: there are " + BlockingPool.threads()
                            + " (system property " + BlockingPool.PROPERTY + ")"));
        }
    }

    /** The exception, with the stack of the caller rather than the pool's. */
    private static RuntimeException asOfCaller(Throwable failure) {
        if (failure instanceof Error error) {
            throw error;
        }
        RuntimeException exception = (RuntimeException) failure;
        exception.fillInStackTrace();
        return exception;
    }
}
