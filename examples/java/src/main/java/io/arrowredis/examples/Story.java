package io.arrowredis.examples;

import io.arrowredis.ArrowRedis;
import io.arrowredis.Dataset;
import io.arrowredis.GenerateOptions;
import io.arrowredis.Metrics;
import io.arrowredis.ReadOptions;
import io.arrowredis.SplitReport;
import io.arrowredis.Store;
import io.arrowredis.VerifyReport;
import io.arrowredis.VerifySide;
import io.arrowredis.arrow.ArrowRedisReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;

/**
 * Generate a dataset, publish it, read some of it, bring it back, and prove that nothing changed.
 *
 * <p>{@code Story [URL]}, where the URL is {@code redis://127.0.0.1:6379} or {@code file:///some/directory}.
 */
public final class Story {
    private static final String PREFIX = "example:story";

    private Story() {}

    /** Runs the story on the store of the first argument. */
    public static void main(String... arguments) throws IOException {
        String url = arguments.length > 0 ? arguments[0] : "redis://127.0.0.1:6379";
        Path folder = Files.createTempDirectory("arrowredis-story");
        Path file = folder.resolve("dataset.arrow");
        Path back = folder.resolve("back.arrow");

        Metrics generated = ArrowRedis.generateFile(
                file, new GenerateOptions().partitions(4).batches(2).rows(1000));
        System.out.println("generated " + generated.rows() + " rows");

        try (Store store = Store.open(url)) {
            SplitReport split = store.splitFile(PREFIX, file);
            System.out.println("published " + split.chunks() + " chunks in " + split.partitions() + " partitions");

            try (Dataset dataset = store.dataset(PREFIX)) {
                readTwoColumns(dataset);
                dataset.readToFile(back);
                verify(dataset, file, back);
            }
            System.out.println("deleted " + store.delete(PREFIX) + " chunks");
        }
    }

    private static void readTwoColumns(Dataset dataset) throws IOException {
        ReadOptions options = new ReadOptions().partitions("1", "3").columns("id64", "float64_c");
        try (BufferAllocator allocator = new RootAllocator();
                ArrowRedisReader reader = new ArrowRedisReader(allocator, dataset.read(options))) {
            long rows = 0;
            long sum = 0;
            while (reader.loadNextBatch()) {
                BigIntVector ids = (BigIntVector) reader.getVectorSchemaRoot().getVector("id64");
                for (int row = 0; row < ids.getValueCount(); row++) {
                    sum += ids.get(row);
                }
                rows += ids.getValueCount();
            }
            System.out.println("read " + rows + " rows of partitions 1 and 3; their ids add up to " + sum);
        }
    }

    private static void verify(Dataset dataset, Path file, Path back) {
        try (VerifySide original = VerifySide.of(file);
                VerifySide stored = VerifySide.of(dataset);
                VerifySide read = VerifySide.of(back)) {
            VerifyReport inStore = ArrowRedis.verify(original, stored);
            VerifyReport inFile = ArrowRedis.verify(original, read);
            System.out.println("identical: " + (inStore.identical() && inFile.identical()));
        }
    }
}
