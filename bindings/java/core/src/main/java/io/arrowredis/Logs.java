package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Scratch;

/**
 * Forwards the library's log records to {@link System.Logger}s, named after its modules: {@code arrowredis.split} and the
 * like. A daemon thread takes them from the library's queue, until this is closed.
 *
 * {@snippet :
 * try (Logs logs = Logs.forward(System.Logger.Level.INFO, 1000)) {
 *     serve();
 * }
 * }
 *
 * <p>There is one queue in a process: forwarding a second time takes its place.
 */
public final class Logs implements AutoCloseable {
    private static final int OFF = 0;
    private static final long WAIT_MILLIS = 1000;

    private final Thread thread;
    private volatile boolean closed;

    private Logs() {
        thread = new Thread(this::forward, "arrowredis-logs");
        thread.setDaemon(true);
    }

    /**
     * Starts forwarding.
     *
     * @param level records of this level and above
     * @param capacity how many records may wait; the oldest is dropped for a newer one
     * @return what ends it
     * @throws ArrowRedisException INVALID_ARGUMENT for no capacity
     */
    public static Logs forward(System.Logger.Level level, int capacity) {
        Native.check(CFunction.LOG_SET_QUEUE, number(level), capacity);
        Logs logs = new Logs();
        logs.thread.start();
        return logs;
    }

    /** {@return how many records were dropped since the process began, because the queue was full} */
    public static long dropped() {
        return Native.call(CFunction.LOG_DROPPED);
    }

    private void forward() {
        while (!closed) {
            long record = next();
            if (record != 0) {
                try {
                    log(record);
                } finally {
                    Native.call(CFunction.LOG_RECORD_FREE, record);
                }
            }
        }
    }

    private static long next() {
        try (Scratch scratch = new Scratch()) {
            Scratch.Place record = scratch.place(1);
            Native.check(CFunction.LOG_NEXT, WAIT_MILLIS, record.address());
            return record.value();
        }
    }

    private static void log(long record) {
        String target = Native.text(CFunction.LOG_RECORD_TARGET, record, 0);
        String message = Native.text(CFunction.LOG_RECORD_MESSAGE, record, 0);
        System.getLogger(target.replace("::", "."))
                .log(level((int) Native.call(CFunction.LOG_RECORD_LEVEL, record)), message);
    }

    /** The library's number of a level. */
    static int number(System.Logger.Level level) {
        return switch (level) {
            case OFF -> OFF;
            case ERROR -> 1;
            case WARNING -> 2;
            case INFO -> 3;
            case DEBUG -> 4;
            case TRACE, ALL -> 5;
        };
    }

    private static System.Logger.Level level(int number) {
        return switch (number) {
            case 1 -> System.Logger.Level.ERROR;
            case 2 -> System.Logger.Level.WARNING;
            case 3 -> System.Logger.Level.INFO;
            case 4 -> System.Logger.Level.DEBUG;
            default -> System.Logger.Level.TRACE;
        };
    }

    /** Ends forwarding; records that still wait are forgotten. Does nothing the second time. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            Native.check(CFunction.LOG_SET_QUEUE, OFF, 1);
        }
    }
}
