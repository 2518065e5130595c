package io.arrowredis.test;

import io.arrowredis.ArrowRedis;
import io.arrowredis.Dataset;
import io.arrowredis.GenerateOptions;
import io.arrowredis.ReadOptions;
import io.arrowredis.Reader;
import io.arrowredis.Store;
import io.arrowredis.arrow.ArrowRedisReader;
import io.arrowredis.arrow.ArrowStreams;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;

/** A small dataset for tests, and what has to come out of it. */
public final class Datasets {
    /** Its shape. */
    public static final int PARTITIONS = 3;
    /** Its shape. */
    public static final int BATCHES = 2;
    /** Its shape. */
    public static final int ROWS = 100;
    /** Rows of all batches. */
    public static final long ALL_ROWS = (long) PARTITIONS * BATCHES * ROWS;

    private Datasets() {}

    /** What generates it. */
    public static GenerateOptions options() {
        return new GenerateOptions()
                .partitions(PARTITIONS)
                .batches(BATCHES)
                .rows(ROWS)
                .dictStrings(true)
                .stringCardinality(50)
                .seed(7);
    }

    /** Generates it straight into a store. */
    public static void publish(Store store, String prefix) {
        try (BufferAllocator allocator = new RootAllocator();
                ArrowRedisReader generated = new ArrowRedisReader(allocator, ArrowRedis.generate(options()))) {
            ArrowStreams.split(
                    store, prefix, generated, allocator, new io.arrowredis.SplitOptions(), new io.arrowredis.Context());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The values of `id64` of a dataset, read through arrow-java, and the allocator's balance checked. */
    public static List<Long> ids(Dataset dataset, ReadOptions options) {
        return ids(dataset.read(options.columns("id64")));
    }

    /** The values of `id64` that a reader has; it is closed. */
    static List<Long> ids(Reader taken) {
        List<Long> ids = new ArrayList<>();
        try (BufferAllocator allocator = new RootAllocator();
                ArrowRedisReader reader = new ArrowRedisReader(allocator, taken)) {
            while (reader.loadNextBatch()) {
                BigIntVector vector =
                        (BigIntVector) reader.getVectorSchemaRoot().getVector("id64");
                for (int row = 0; row < vector.getValueCount(); row++) {
                    ids.add(vector.get(row));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return ids;
    }

    /** The ids of some partitions, in order. */
    public static List<Long> idsOf(int... partitions) {
        List<Long> ids = new ArrayList<>();
        for (int partition : partitions) {
            for (long row = 0; row < BATCHES * ROWS; row++) {
                ids.add((long) partition * BATCHES * ROWS + row);
            }
        }
        return ids;
    }
}
