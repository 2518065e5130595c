package io.arrowredis.bench;

import io.arrowredis.Dataset;
import io.arrowredis.ReadOptions;
import io.arrowredis.Store;
import io.arrowredis.arrow.ArrowRedisReader;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;

/** Reads partitions from Redis with ArrowRedis into arrow-java, and counts their rows, batch by batch, in order. */
final class Ours {
    private Ours() {}

    public static void main(String... arguments) throws Exception {
        Bench.Flags flags = Bench.Flags.parse(arguments);
        try (Store store = Store.open(flags.redisUrl());
                Dataset dataset = store.dataset(flags.prefix())) {
            Bench.report(() -> read(dataset, flags));
        }
    }

    static Bench.Outcome read(Dataset dataset, Bench.Flags flags) throws Exception {
        ReadOptions options = new ReadOptions();
        if (!flags.partitions().isEmpty()) {
            options.partitions(flags.partitions().toArray(String[]::new));
        }
        if (!flags.columns().isEmpty()) {
            options.columns(flags.columns().toArray(String[]::new));
        }
        long rows = 0;
        try (BufferAllocator allocator = new RootAllocator();
                ArrowRedisReader reader = new ArrowRedisReader(allocator, dataset.read(options))) {
            while (reader.loadNextBatch()) {
                rows += reader.getVectorSchemaRoot().getRowCount();
            }
            var metrics = reader.reader().metrics();
            return new Bench.Outcome(rows, metrics.chunks(), metrics.payloadBytes());
        }
    }
}
