package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.Dataset;
import io.arrowredis.ReadOptions;
import io.arrowredis.Store;
import io.arrowredis.StoreOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Many threads, one store. */
@ExtendWith(Leaks.class)
class ConcurrencyTest {
    private static final int THREADS = 64;
    private static final int CONNECTIONS = 4;

    @Test
    void platformThreadsShareAStoreAndADataset() throws Exception {
        try (RedisServer redis = RedisServer.start();
                Store store = Store.open(redis.url(), new StoreOptions().connections(CONNECTIONS))) {
            Datasets.publish(store, "java:shared");
            ExecutorService threads = Executors.newFixedThreadPool(THREADS);
            try (Dataset dataset = store.dataset("java:shared")) {
                List<Future<List<Long>>> reads = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    int partition = i % Datasets.PARTITIONS;
                    ReadOptions options = new ReadOptions().partitions("" + partition);
                    reads.add(threads.submit(() -> Datasets.ids(dataset, options)));
                }
                for (int i = 0; i < THREADS; i++) {
                    assertEquals(
                            Datasets.idsOf(i % Datasets.PARTITIONS),
                            reads.get(i).get());
                }
            } finally {
                threads.shutdownNow();
            }
            assertTrue(redis.clients() <= CONNECTIONS, redis.cli("CLIENT", "LIST"));
        }
    }
}
