package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.ArrowRedisException;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.ReadOptions;
import io.arrowredis.SplitOptions;
import io.arrowredis.Store;
import io.arrowredis.StoreOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A server that does not answer holds no call beyond its timeout. */
@ExtendWith(Leaks.class)
@Timeout(120)
class TimeoutTest {
    private static final Duration TIMEOUT = Duration.ofMillis(200);
    private static final Duration LATE = Duration.ofMillis(100);
    private static final int ATTEMPTS = 5;

    /** The best of a few counts: the machine itself may be busy. */
    private static void endsInTime(String what, Consumer<Context> call) {
        Duration best = Duration.ofDays(1);
        for (int i = 0; i < ATTEMPTS && best.compareTo(TIMEOUT.plus(LATE)) > 0; i++) {
            long start = System.nanoTime();
            Context context = new Context().withTimeout(TIMEOUT);
            assertThrows(ArrowRedisException.Timeout.class, () -> call.accept(context), what);
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            best = took.compareTo(best) < 0 ? took : best;
        }
        assertTrue(best.compareTo(TIMEOUT.plus(LATE)) <= 0, what + " took " + best);
    }

    private static void callsEndInTime(Store store, Path file) {
        endsInTime("ping", store::ping);
        endsInTime("dataset", context -> store.dataset("java:late", context));
        endsInTime("list", context -> store.list("", context));
        endsInTime("delete", context -> store.delete("java:late", context));
        endsInTime("split", context -> store.splitFile("java:other", file, new SplitOptions(), context));
    }

    private static Path generate(Path folder) {
        Path file = folder.resolve("late.arrow");
        ArrowRedis.generateFile(file, Datasets.options());
        return file;
    }

    @Test
    void aBlackHoleHoldsNoCall(@TempDir Path folder) {
        Path file = generate(folder);
        try (BlackHole hole = new BlackHole();
                Store store = Store.open(hole.url(), new StoreOptions())) {
            callsEndInTime(store, file);
        }
    }

    @Test
    void aSleepingServerHoldsNoCall(@TempDir Path folder) {
        Path file = generate(folder);
        try (RedisServer redis = RedisServer.start();
                Store direct = Store.open(redis.url())) {
            Datasets.publish(direct, "java:late");
            try (Dataset dataset = direct.dataset("java:late");
                    Store store = Store.open(redis.url(), new StoreOptions())) {
                redis.signal("STOP");
                callsEndInTime(store, file);
                endsInTime("read", context -> Datasets.ids(dataset.read(new ReadOptions(), context)));
            } finally {
                redis.signal("CONT");
            }
        }
    }
}
