package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.ArrowRedisException;
import io.arrowredis.CancelToken;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.ReadOptions;
import io.arrowredis.Reader;
import io.arrowredis.ServerInfo;
import io.arrowredis.Store;
import io.arrowredis.StoreOptions;
import io.arrowredis.internal.BlockingPool;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** Interrupts, timeouts, tokens and futures end what blocks, and nothing is left behind. */
@ExtendWith(Leaks.class)
@Timeout(60)
class CancelTest {
    private static final int READS = 1000;
    private static final StoreOptions PATIENT = new StoreOptions()
            .timeout(Duration.ofMinutes(10))
            .connectTimeout(Duration.ofMinutes(10))
            .maxRetries(0);

    @Test
    void anInterruptEndsACall() throws Exception {
        try (BlackHole hole = new BlackHole();
                Store store = Store.open(hole.url(), PATIENT)) {
            FutureTask<Boolean> interrupted = new FutureTask<>(() -> {
                assertThrows(ArrowRedisException.Cancelled.class, () -> store.dataset("lost"));
                return Thread.currentThread().isInterrupted();
            });
            Thread thread = new Thread(interrupted);
            thread.start();
            hole.awaitVictim();
            thread.interrupt();
            assertTrue(interrupted.get(), "the interrupt status is kept");
        }
    }

    @Test
    void aTimeoutEndsACall() {
        try (BlackHole hole = new BlackHole();
                Store store = Store.open(hole.url(), PATIENT)) {
            Context context = new Context().withTimeout(Duration.ofMillis(50));
            assertThrows(ArrowRedisException.Timeout.class, () -> store.ping(context));
            assertThrows(ArrowRedisException.Timeout.class, () -> store.dataset("lost", context));
            assertThrows(IllegalArgumentException.class, () -> context.withTimeout(Duration.ZERO));
        }
    }

    @Test
    void aTokenEndsCallsNowAndLater() throws Exception {
        try (BlackHole hole = new BlackHole();
                Store store = Store.open(hole.url(), PATIENT)) {
            CancelToken token = new CancelToken();
            Context context = new Context().withCancelToken(token);
            CompletableFuture<ServerInfo> ping = store.pingAsync(context);
            hole.awaitVictim();
            token.cancel();
            assertInstanceOf(
                    ArrowRedisException.Cancelled.class,
                    assertThrows(ExecutionException.class, ping::get).getCause());
            assertTrue(token.isCancelled());
            assertThrows(ArrowRedisException.Cancelled.class, () -> store.list("", context));
        }
    }

    @Test
    void aTokenEndsAReadThatHasBegun() {
        try (Store store = Store.open("memory://cancel")) {
            Datasets.publish(store, "java:token");
            CancelToken token = new CancelToken();
            Context context = new Context().withCancelToken(token);
            try (Dataset dataset = store.dataset("java:token")) {
                Reader reader = dataset.read(new ReadOptions().columns("id64"), context);
                token.cancel();
                assertThrows(ArrowRedisException.Cancelled.class, () -> Datasets.ids(reader));
            }
            store.delete("java:token");
        }
    }

    @Test
    void cancellingAFutureEndsTheCall() throws Exception {
        try (BlackHole hole = new BlackHole();
                Store store = Store.open(hole.url(), PATIENT)) {
            CompletableFuture<Dataset> opening = store.datasetAsync("lost", new Context());
            hole.awaitVictim();
            assertTrue(opening.cancel(true));
            assertThrows(CancellationException.class, opening::get);
        }
    }

    @Test
    void futuresHaveResults() throws Exception {
        try (Store store = Store.open("memory://futures")) {
            Datasets.publish(store, "java:future");
            List<Long> ids = store.datasetAsync("java:future", new Context())
                    .thenCompose(dataset -> dataset.readAsync(new ReadOptions().columns("id64"), new Context())
                            .whenComplete((reader, e) -> dataset.close()))
                    .thenApply(Datasets::ids)
                    .get();
            assertEquals(Datasets.idsOf(0, 1, 2), ids);
            store.delete("java:future");
        }
    }

    /** More calls than threads: those that wait for their turn keep to their time, and to interrupts. */
    @Test
    void callsThatHaveNotBegunCanBeEnded() throws Exception {
        try (BlackHole hole = new BlackHole();
                Store store = Store.open(hole.url(), PATIENT)) {
            List<CompletableFuture<ServerInfo>> lost = new ArrayList<>();
            for (int i = 0; i < BlockingPool.threads(); i++) {
                lost.add(store.pingAsync(new Context()));
            }
            Context context = new Context().withTimeout(Duration.ofMillis(50));
            ArrowRedisException late = assertThrows(ArrowRedisException.Timeout.class, () -> store.ping(context));
            assertTrue(late.getMessage().contains(BlockingPool.PROPERTY), late.getMessage());
            Thread.currentThread().interrupt();
            assertThrows(ArrowRedisException.Cancelled.class, store::ping);
            assertTrue(Thread.interrupted());
            lost.forEach(ping -> ping.cancel(true));
        }
    }

    @Test
    void aThousandInterruptedReadsLeaveNothingBehind() throws Exception {
        try (RedisServer redis = RedisServer.start();
                Store store = Store.open(redis.url(), new StoreOptions().connections(2))) {
            Datasets.publish(store, "java:interrupt");
            AtomicInteger cancelled = new AtomicInteger();
            try (Dataset dataset = store.dataset("java:interrupt")) {
                for (int i = 0; i < READS; i++) {
                    Thread reading = new Thread(() -> {
                        try {
                            assertEquals(Datasets.idsOf(0, 1, 2), Datasets.ids(dataset, new ReadOptions()));
                        } catch (ArrowRedisException.Cancelled e) {
                            cancelled.incrementAndGet();
                        }
                    });
                    reading.start();
                    // Anywhere from before the first call to after the last.
                    for (int turn = i % 20; turn > 0; turn--) {
                        Thread.yield();
                    }
                    reading.interrupt();
                    reading.join();
                }
                assertTrue(cancelled.get() > 0, "some were in time");
                assertEquals(Datasets.idsOf(0, 1, 2), Datasets.ids(dataset, new ReadOptions()));
            }
            assertTrue(redis.clients() <= 2, redis.cli("CLIENT", "LIST"));
            assertTrue(poolThreads() <= BlockingPool.threads());
            store.delete("java:interrupt");
        }
    }

    private static long poolThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("arrowredis-blocking-"))
                .count();
    }

    @Test
    void figuresAreThereDuringAndAfter() {
        try (Store store = Store.open("memory://progress")) {
            Context context = new Context();
            assertEquals(0, context.metrics().rows());
            ArrowRedis.generate(Datasets.options(), context).close();
            Datasets.publish(store, "java:progress");
            try (Dataset dataset = store.dataset("java:progress")) {
                Reader reader = dataset.read(new ReadOptions().columns("id64"), context);
                assertEquals(Datasets.ALL_ROWS, Datasets.ids(reader).size());
                assertEquals(Datasets.ALL_ROWS, context.metrics().rows());
                assertEquals(6, context.metrics().chunksExpected());
                assertEquals(reader.metrics(), context.metrics());
            }
            store.delete("java:progress", context);
        }
    }

    @Test
    void whatIsForgottenIsFreed() throws Exception {
        forget();
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (ArrowRedis.liveHandles() != 0 && System.nanoTime() < deadline) {
            System.gc();
            Thread.sleep(20);
        }
        assertEquals(0, ArrowRedis.liveHandles());
    }

    private static void forget() {
        Store store = Store.open("memory://forgotten");
        Datasets.publish(store, "java:forgotten");
        Dataset dataset = store.dataset("java:forgotten");
        Reader reader = dataset.read();
        reader.stream();
        dataset.chunks();
        assertTrue(ArrowRedis.liveHandles() >= 5);
    }
}
