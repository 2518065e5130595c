package io.arrowredis.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.Dataset;
import io.arrowredis.ReadOptions;
import io.arrowredis.Store;
import io.arrowredis.test.Datasets;
import io.arrowredis.test.Leaks;
import io.arrowredis.test.RedisServer;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The examples do what they say, on a directory and on a real Redis. */
@ExtendWith(Leaks.class)
class ExamplesTest {
    private static RedisServer redis;

    @TempDir
    Path folder;

    @BeforeAll
    static void startServer() {
        redis = RedisServer.start();
    }

    @AfterAll
    static void stopServer() {
        redis.close();
    }

    private String url(String kind) {
        return kind.equals("redis") ? redis.url() : "file://" + folder;
    }

    private interface Example {
        void main(String... arguments) throws Exception;
    }

    private static List<String> printed(Example example, String... arguments) throws Exception {
        PrintStream original = System.out;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            example.main(arguments);
        } finally {
            System.setOut(original);
        }
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void theStory(String kind) throws Exception {
        assertEquals(
                List.of(
                        "generated 8000 rows",
                        "published 8 chunks in 4 partitions",
                        "read 4000 rows of partitions 1 and 3; their ids add up to 19998000",
                        "identical: true",
                        "deleted 8 chunks"),
                printed(Story::main, url(kind)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void ownData(String kind) throws Exception {
        assertEquals(
                List.of(
                        "published 3 days",
                        "2024-10-04: 4 rows",
                        "2024-10-05: 4 rows",
                        "2024-10-06: 4 rows",
                        "sensor\tcelsius",
                        "0\t21.0",
                        "1\t21.25",
                        "2\t21.5",
                        "3\t21.75"),
                printed(OwnData::main, url(kind)));
    }

    @Test
    void sqlOverRedis() throws Exception {
        try (Store store = Store.open(redis.url())) {
            Datasets.publish(store, "java:sql");
            String sql = "SELECT partition, count(*), min(id64), max(id64) FROM dataset GROUP BY ALL ORDER BY ALL";
            assertEquals(
                    List.of("0\t200\t0\t199", "1\t200\t200\t399", "2\t200\t400\t599"),
                    printed(SqlOverRedis::main, redis.url(), "java:sql", sql, "partition", "id64"));
            redis.cli("DEL", "java:sql:{part=00002}:batch=00000");
            try (Dataset dataset = store.dataset("java:sql")) {
                assertThrows(
                        ArrowRedisException.ChunkMissing.class,
                        () -> SqlOverRedis.query(dataset, new ReadOptions(), sql));
            }
        }
    }
}
