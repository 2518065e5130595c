package io.arrowredis;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Ends operations: once it is fired, every operation that was given it ends with {@link ErrorCode#CANCELLED}, and so does
 * every later one. For all threads.
 */
public final class CancelToken {
    private final Set<Runnable> linked = new LinkedHashSet<>();
    private boolean cancelled;

    /** A token that was not fired. */
    public CancelToken() {}

    /** Fires it. Never blocks; does nothing the second time. */
    public void cancel() {
        List<Runnable> toCancel;
        synchronized (this) {
            cancelled = true;
            toCancel = new ArrayList<>(linked);
            linked.clear();
        }
        toCancel.forEach(Runnable::run);
    }

    /** {@return whether it was fired} */
    public synchronized boolean isCancelled() {
        return cancelled;
    }

    /** Has an operation cancelled when it is fired, or now if it was. */
    void link(Runnable cancelOperation) {
        synchronized (this) {
            if (!cancelled) {
                linked.add(cancelOperation);
                return;
            }
        }
        cancelOperation.run();
    }

    synchronized void unlink(Runnable cancelOperation) {
        linked.remove(cancelOperation);
    }
}
