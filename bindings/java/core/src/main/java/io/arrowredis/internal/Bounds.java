package io.arrowredis.internal;

/** What ends a blocking call early, other than its work. */
public interface Bounds {
    /**
     * Begins, on the thread that makes the call.
     *
     * @return the address of the {@code arrowredis_context} for the call, or 0
     */
    long begin();

    /** Ends the call as CANCELLED, from any thread, before, during or after it. Never blocks. */
    void cancel();

    /** The call is over. */
    void end();

    /** When the time is up, by {@link System#nanoTime()}; null for never. */
    Long deadline();
}
