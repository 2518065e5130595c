package io.arrowredis.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.arrowredis.ArrowRedis;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.GenerateOptions;
import io.arrowredis.SplitOptions;
import io.arrowredis.SplitReport;
import io.arrowredis.Store;
import io.arrowredis.test.Leaks;
import io.arrowredis.test.RedisServer;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is compared must read the same. */
@ExtendWith(Leaks.class)
class SameReadTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"zstd", "lz4", "uncompressed"})
    void bothReadTheSame(String codec) throws Exception {
        Path file = folder.resolve("dataset.arrow");
        GenerateOptions generated =
                new GenerateOptions().partitions(3).batches(16).rows(500).dictStrings(true);
        ArrowRedis.generateFile(file, generated.compression(codec));
        try (RedisServer redis = RedisServer.start();
                Store store = Store.open(redis.url())) {
            SplitOptions options = new SplitOptions().compression(codec);
            SplitReport report = store.splitFile("bench", file, options, new Context());
            Bench.Outcome all = new Bench.Outcome(24_000, 48, report.metrics().payloadBytes());
            try (Dataset dataset = store.dataset("bench")) {
                Bench.Flags flags = Bench.Flags.parse("--redis-url", redis.url());
                assertEquals(all, Ours.read(dataset, flags));
                assertEquals(all, ByHand.read(flags));
                Bench.Flags two = Bench.Flags.parse("--redis-url", redis.url(), "--partitions", "0,2");
                assertEquals(16_000, Ours.read(dataset, two).rows());
                assertEquals(Ours.read(dataset, two), ByHand.read(two));
            }
        }
    }
}
