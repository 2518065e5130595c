package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.Dataset;
import io.arrowredis.ReadOptions;
import io.arrowredis.Store;
import io.arrowredis.StoreOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** Virtual threads on two carriers: a call that blocks takes none of them away. */
@ExtendWith(Leaks.class)
@Timeout(120)
class VirtualThreadsTest {
    private static final int THREADS = 1000;
    private static final int ATTEMPTS = 21;
    private static final Duration LIMIT = Duration.ofMillis(100);

    @Test
    void theyShareOneStore() throws Exception {
        try (RedisServer redis = RedisServer.start();
                Store store = Store.open(redis.url(), new StoreOptions().connections(4));
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Datasets.publish(store, "java:virtual");
            try (Dataset dataset = store.dataset("java:virtual")) {
                List<Future<List<Long>>> reads = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    ReadOptions options = new ReadOptions().partitions("" + i % Datasets.PARTITIONS);
                    reads.add(threads.submit(() -> Datasets.ids(dataset, options)));
                }
                for (int i = 0; i < THREADS; i++) {
                    assertEquals(
                            Datasets.idsOf(i % Datasets.PARTITIONS),
                            reads.get(i).get());
                }
            }
            assertTrue(redis.clients() <= 4, redis.cli("CLIENT", "LIST"));
        }
    }

    @Test
    void oneRunsWhileAThousandAreBlocked() throws Exception {
        assertEquals("2", System.getProperty("jdk.virtualThreadScheduler.parallelism"));
        StoreOptions patient = new StoreOptions()
                .timeout(Duration.ofMinutes(10))
                .connectTimeout(Duration.ofMinutes(10))
                .maxRetries(0);
        try (BlackHole hole = new BlackHole();
                Store store = Store.open(hole.url(), patient);
                Dataset dataset = store.datasetWithoutManifest("lost")) {
            CountDownLatch started = new CountDownLatch(THREADS);
            ConcurrentLinkedQueue<Object> outcomes = new ConcurrentLinkedQueue<>();
            List<Thread> readers = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                readers.add(Thread.startVirtualThread(() -> {
                    started.countDown();
                    outcomes.add(assertThrows(
                            ArrowRedisException.Cancelled.class, () -> Datasets.ids(dataset, new ReadOptions())));
                }));
            }
            started.await();
            hole.awaitVictim();
            assertTrue(medianDelayNanos() < LIMIT.toNanos());
            assertEquals(List.of(), List.copyOf(outcomes), "all of them are blocked still");
            readers.forEach(Thread::interrupt);
            for (Thread reader : readers) {
                reader.join();
            }
            assertEquals(THREADS, outcomes.size());
        }
    }

    /** How long an unrelated virtual thread waits for its turn. */
    private static long medianDelayNanos() throws InterruptedException {
        long[] delays = new long[ATTEMPTS];
        for (int i = 0; i < ATTEMPTS; i++) {
            AtomicLong ran = new AtomicLong();
            long start = System.nanoTime();
            Thread.startVirtualThread(() -> ran.set(System.nanoTime())).join();
            delays[i] = ran.get() - start;
        }
        Arrays.sort(delays);
        return delays[ATTEMPTS / 2];
    }
}
