package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.ArrowRedisException;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.DatasetInfo;
import io.arrowredis.ReadOptions;
import io.arrowredis.Reader;
import io.arrowredis.Store;
import io.arrowredis.arrow.ArrowRedisReader;
import io.arrowredis.arrow.ArrowStreams;
import java.io.IOException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.UInt8Vector;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a service in production does beside reading: rotating passwords, metrics, a look at the nodes. */
@ExtendWith(Leaks.class)
class CredentialsTest {
    private static void setPassword(RedisServer redis, String password) {
        assertEquals(
                "OK",
                redis.cli("ACL", "SETUSER", "reader", "reset", "on", ">" + password, "~*", "&*", "+@all")
                        .trim());
        redis.cli("CLIENT", "KILL", "USER", "reader");
    }

    @Test
    void credentialsRotateOnAnOpenStore() {
        try (RedisServer redis = RedisServer.start()) {
            try (Store admin = Store.open(redis.url())) {
                Datasets.publish(admin, "java:rotate");
            }
            setPassword(redis, "first-canary");
            String url = redis.url().replace("redis://", "redis://reader:first-canary@");
            try (Store store = Store.open(url);
                    Dataset dataset = store.dataset("java:rotate")) {
                assertEquals(Datasets.idsOf(0, 1, 2), Datasets.ids(dataset, new ReadOptions()));

                setPassword(redis, "second-canary");
                ArrowRedisException refused = assertThrows(ArrowRedisException.PermissionDenied.class, store::ping);
                assertEquals("WRONGPASS", refused.serverCode().orElseThrow());
                assertFalse(refused.toString().contains("canary"));
                store.setPassword("second-canary");
                assertEquals(Datasets.idsOf(0, 1, 2), Datasets.ids(dataset, new ReadOptions()));
                store.setCredentials("nobody", "second-canary");
                assertThrows(ArrowRedisException.PermissionDenied.class, store::ping);
            }
        }
        try (Store store = Store.open("memory://nobody")) {
            assertThrows(ArrowRedisException.Unsupported.class, () -> store.setPassword("x"));
        }
    }

    private static long receivedBytes() {
        String text = ArrowRedis.metricsText();
        Matcher matcher =
                Pattern.compile("(?m)^arrowredis_received_bytes_total (\\d+)$").matcher(text);
        assertTrue(matcher.find(), text);
        return Long.parseLong(matcher.group(1));
    }

    @Test
    void metricsCountReads() throws IOException {
        try (RedisServer redis = RedisServer.start();
                Store store = Store.open(redis.url());
                BufferAllocator allocator = new RootAllocator()) {
            Datasets.publish(store, "java:metrics");
            try (Dataset dataset = store.dataset("java:metrics")) {
                long before = receivedBytes();
                Reader taken = dataset.read();
                try (ArrowRedisReader reader = new ArrowRedisReader(allocator, taken)) {
                    while (reader.loadNextBatch()) {
                        assertEquals(Datasets.ROWS, reader.getVectorSchemaRoot().getRowCount());
                    }
                }
                long payload = dataset.info().payloadBytes();
                assertEquals(payload, taken.metrics().payloadBytes());
                long counted = receivedBytes() - before;
                assertTrue(counted >= payload, () -> counted + " of " + payload);
            }
        }
    }

    @Test
    void nodesOfADataset() throws IOException {
        try (Store store = Store.open("memory://nodes");
                BufferAllocator allocator = new RootAllocator()) {
            Datasets.publish(store, "java:nodes");
            try (Dataset dataset = store.dataset("java:nodes");
                    ArrowReader nodes = ArrowStreams.nodes(dataset, allocator, new Context())) {
                assertTrue(nodes.loadNextBatch());
                DatasetInfo info = dataset.info();
                assertEquals(1, nodes.getVectorSchemaRoot().getRowCount());
                assertEquals(
                        info.chunks(),
                        ((UInt8Vector) nodes.getVectorSchemaRoot().getVector("chunks")).get(0));
                assertEquals(
                        info.payloadBytes(),
                        ((UInt8Vector) nodes.getVectorSchemaRoot().getVector("payload_bytes")).get(0));
            }
            store.delete("java:nodes");
        }
    }
}
