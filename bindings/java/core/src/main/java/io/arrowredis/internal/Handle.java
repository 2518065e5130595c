package io.arrowredis.internal;

import java.lang.ref.Cleaner;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongFunction;

/**
 * A handle of the library: freed once, when its owner is closed or forgotten, and never while a call uses it. A call
 * that is under way then ends first.
 */
public final class Handle {
    private static final Cleaner CLEANER = Cleaner.create();

    private final State state;
    private final Cleaner.Cleanable cleanable;

    /**
     * Takes a handle over.
     *
     * @param owner whose being forgotten frees it; nothing here refers to it
     * @param name for messages
     * @param address of the handle
     * @param free the function that frees it
     */
    public Handle(Object owner, String name, long address, CFunction free) {
        state = new State(name, address, free);
        cleanable = CLEANER.register(owner, state);
    }

    /**
     * Uses the handle.
     *
     * @throws IllegalStateException when it is closed
     */
    public <T> T use(LongFunction<T> work) {
        long address = state.acquire();
        try {
            return work.apply(address);
        } finally {
            state.release();
        }
    }

    /** Calls a function that cannot fail with the handle alone, unless it is closed. */
    public void useIfOpen(CFunction function) {
        if (state.acquireIfOpen()) {
            try {
                Native.call(function, state.address);
            } finally {
                state.release();
            }
        }
    }

    /** Whether it was closed. */
    public boolean isClosed() {
        return state.isClosed();
    }

    /** Frees it, as soon as no call uses it any more, and waits for that where it takes time. */
    public void close() {
        cleanable.clean();
        state.awaitSlowFree();
    }

    private static final class State implements Runnable {
        private final String name;
        private final long address;
        private final CFunction free;
        private int uses = 1; // the owner's
        private boolean closed;
        private volatile CompletableFuture<Void> slowFree = CompletableFuture.completedFuture(null);

        State(String name, long address, CFunction free) {
            this.name = name;
            this.address = address;
            this.free = free;
        }

        synchronized boolean acquireIfOpen() {
            if (!closed) {
                uses++;
            }
            return !closed;
        }

        long acquire() {
            if (!acquireIfOpen()) {
                throw new IllegalStateException("the " + name + " is closed");
            }
            return address;
        }

        synchronized boolean isClosed() {
            return closed;
        }

        void release() {
            boolean last;
            synchronized (this) {
                last = --uses == 0;
            }
            if (last) {
                free();
            }
        }

        /** An unfinished writer removes what it wrote: not a wait for a virtual thread, nor for the cleaner's. */
        private void free() {
            if (free == CFunction.WRITER_FREE && !BlockingPool.isWorker()) {
                slowFree = CompletableFuture.runAsync(() -> Native.call(free, address), BlockingPool::execute);
            } else {
                Native.call(free, address);
            }
        }

        /** Until the end, whether or not the thread is interrupted. */
        void awaitSlowFree() {
            slowFree.join();
        }

        /** The owner's end: by hand, or by the cleaner's thread. */
        @Override
        public void run() {
            synchronized (this) {
                closed = true;
            }
            release();
        }
    }
}
