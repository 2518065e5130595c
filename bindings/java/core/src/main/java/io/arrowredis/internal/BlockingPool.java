package io.arrowredis.internal;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The threads that wait in native calls. A native call cannot be interrupted, and would keep the carrier of a virtual
 * thread from running others; so the caller waits for one of these instead, which are few, and never keep the JVM alive.
 */
public final class BlockingPool {
    /** The system property that sets how many threads there may be. */
    public static final String PROPERTY = "arrowredis.blocking.threads";

    private static final int DEFAULT_THREADS = 64;
    private static final int IDLE_SECONDS = 10;
    private static final AtomicInteger STARTED = new AtomicInteger();
    private static final ThreadPoolExecutor POOL = create(threads());

    private BlockingPool() {}

    /** How many calls can be under way; more wait for their turn. */
    public static int threads() {
        return Math.max(1, Integer.getInteger(PROPERTY, DEFAULT_THREADS));
    }

    private static ThreadPoolExecutor create(int threads) {
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                threads, threads, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), Worker::new);
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    static void execute(Runnable work) {
        POOL.execute(work);
    }

    /** Takes back work that has not begun. */
    static boolean takeBack(Runnable work) {
        return POOL.remove(work);
    }

    /** Whether the current thread is one of these: then it does the work itself, rather than wait for another. */
    static boolean isWorker() {
        return Thread.currentThread() instanceof Worker;
    }

    private static final class Worker extends Thread {
        Worker(Runnable work) {
            super(work, "arrowredis-blocking-" + STARTED.incrementAndGet());
            setDaemon(true);
        }
    }
}
