package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.ArrowRedisException;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.DatasetInfo;
import io.arrowredis.DatasetSummary;
import io.arrowredis.FileReadOptions;
import io.arrowredis.GenerateOptions;
import io.arrowredis.Metrics;
import io.arrowredis.Partition;
import io.arrowredis.ReadOptions;
import io.arrowredis.SplitOptions;
import io.arrowredis.SplitReport;
import io.arrowredis.Store;
import io.arrowredis.VerifyOptions;
import io.arrowredis.VerifyReport;
import io.arrowredis.VerifySide;
import io.arrowredis.arrow.ArrowRedisReader;
import io.arrowredis.arrow.ArrowStreams;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.UInt4Vector;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.Field;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Generate, split, look, read, write back, verify, delete: on the embedded store and on a real Redis. */
@ExtendWith(Leaks.class)
class MainJobTest {
    private static final List<String> COLUMNS = List.of(
            "id64",
            "partition",
            "int32_c",
            "float64_c",
            "float32_c",
            "bool_c",
            "ts_ns",
            "dec_18_4",
            "str_c",
            "list_ints");
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

    private Store open(String kind) {
        return Store.open(kind.equals("redis") ? redis.url() : "file://" + folder.resolve("store"));
    }

    private Path generate(String name, GenerateOptions options) {
        Path file = folder.resolve(name);
        assertEquals(Datasets.ALL_ROWS, ArrowRedis.generateFile(file, options).rows());
        return file;
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void theWholeStory(String kind) {
        Path file = generate("generated.arrow", Datasets.options());
        try (Store store = open(kind)) {
            SplitReport report = store.splitFile("java:story", file);
            assertEquals(32, report.uploadId().length());
            assertEquals(Datasets.PARTITIONS, report.partitions());
            assertEquals(Datasets.PARTITIONS * Datasets.BATCHES, report.chunks());
            assertEquals(report.chunks(), report.chunksCopied());
            assertEquals(Datasets.ALL_ROWS, report.metrics().rows());
            assertThrows(ArrowRedisException.AlreadyExists.class, () -> store.splitFile("java:story", file));

            try (Dataset dataset = store.dataset("java:story")) {
                checkInfo(dataset, report);
                checkReads(dataset);
                checkFileAndVerify(dataset, file);
            }
            DatasetSummary summary = store.list("java:st", new Context()).get(0);
            assertEquals("java:story", summary.prefix());
            assertEquals(Datasets.ALL_ROWS, summary.rows());
            assertEquals(report.chunks(), summary.chunks());
            assertTrue(summary.hasManifest());
            assertEquals(List.of(), store.list("other", new Context()));

            assertEquals(report.chunks(), store.delete("java:story"));
            assertThrows(ArrowRedisException.NotFound.class, () -> store.dataset("java:story"));
            assertThrows(ArrowRedisException.NotFound.class, () -> store.delete("java:story"));
        }
    }

    private static void checkInfo(Dataset dataset, SplitReport report) {
        DatasetInfo info = dataset.info();
        DatasetInfo expected = new DatasetInfo(
                "java:story",
                report.uploadId(),
                info.createdAt(),
                "zstd",
                info.writer(),
                "partition",
                Datasets.ALL_ROWS,
                report.metrics().payloadBytes(),
                report.chunks(),
                true);
        assertEquals(expected, info);
        assertEquals("arrowredis " + ArrowRedis.version(), info.writer());
        List<Partition> partitions = dataset.partitions();
        assertEquals(Datasets.PARTITIONS, partitions.size());
        Partition last = partitions.get(2);
        assertEquals(new Partition(2, "2", Datasets.BATCHES, 200, last.payloadBytes()), last);
        assertEquals(
                info.payloadBytes(),
                partitions.stream().mapToLong(Partition::payloadBytes).sum());
        try (BufferAllocator allocator = new RootAllocator()) {
            List<Field> fields =
                    ArrowStreams.schema(dataset, allocator, new Context()).getFields();
            assertEquals(COLUMNS, fields.stream().map(Field::getName).toList());
            assertEquals(List.of(0L, 0L, 1L, 1L, 2L, 2L), chunkPartitions(dataset, allocator));
        }
    }

    private static List<Long> chunkPartitions(Dataset dataset, BufferAllocator allocator) {
        List<Long> partitions = new ArrayList<>();
        try (ArrowReader chunks = ArrowStreams.chunks(dataset, allocator)) {
            while (chunks.loadNextBatch()) {
                UInt4Vector vector = (UInt4Vector) chunks.getVectorSchemaRoot().getVector("partition");
                for (int row = 0; row < vector.getValueCount(); row++) {
                    partitions.add(vector.getValueAsLong(row));
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return partitions;
    }

    private static void checkReads(Dataset dataset) {
        assertEquals(Datasets.idsOf(0, 1, 2), Datasets.ids(dataset, new ReadOptions()));
        assertEquals(Datasets.idsOf(0, 2), Datasets.ids(dataset, new ReadOptions().partitions("0", "2")));
        try (BufferAllocator allocator = new RootAllocator();
                ArrowRedisReader reader = new ArrowRedisReader(
                        allocator,
                        dataset.read(new ReadOptions().partitions("1").columns("str_c", "id64")))) {
            assertTrue(reader.position().isEmpty());
            assertTrue(reader.loadNextBatch());
            assertEquals(OptionalLong.of(1), reader.position().orElseThrow().partition());
            assertTrue(reader.loadNextBatch());
            assertEquals(1, reader.position().orElseThrow().batch());
            List<Field> fields = reader.getVectorSchemaRoot().getSchema().getFields();
            assertEquals(
                    List.of("str_c", "id64"),
                    fields.stream().map(Field::getName).toList());
            assertEquals(1, reader.getDictionaryVectors().size());
            assertTrue(!reader.loadNextBatch() && reader.position().isEmpty());
            Metrics metrics = reader.reader().metrics();
            assertEquals(200, metrics.rows());
            assertEquals(2, metrics.chunks());
            assertEquals(metrics.payloadBytes(), reader.bytesRead());
            assertTrue(metrics.payloadBytes() > 0 && metrics.totalSeconds() > 0);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        ReadOptions unknown = new ReadOptions().columns("nothing");
        assertThrows(ArrowRedisException.NotFound.class, () -> dataset.read(unknown));
    }

    private void checkFileAndVerify(Dataset dataset, Path original) {
        Path back = folder.resolve("back.arrow");
        assertEquals(Datasets.ALL_ROWS, dataset.readToFile(back).rows());
        Path lz4 = folder.resolve("lz4.arrow");
        ReadOptions one = new ReadOptions().partitions("1");
        assertEquals(200, dataset.readToFile(lz4, "lz4", one, new Context()).rows());
        assertEquals(Datasets.idsOf(1), Datasets.ids(ArrowRedis.readFile(lz4, new FileReadOptions().columns("id64"))));
        try (VerifySide stored = VerifySide.of(dataset);
                VerifySide read = VerifySide.of(back);
                VerifySide generated = VerifySide.of(original)) {
            VerifyReport same = ArrowRedis.verify(generated, read);
            assertTrue(same.identical());
            assertEquals(List.of(), same.differences());
            assertEquals(Datasets.ALL_ROWS, same.metrics().rows());
            VerifyOptions byPartition = new VerifyOptions().byPartition(true);
            assertTrue(
                    ArrowRedis.verify(stored, read, byPartition, new Context()).identical());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void differencesAreFound(String kind) {
        Path left = generate("left.arrow", Datasets.options());
        Path right = generate("right.arrow", Datasets.options().seed(8));
        try (Store store = open(kind)) {
            store.splitFile("java:left", left, new SplitOptions().compression("lz4"), new Context());
            try (Dataset dataset = store.dataset("java:left");
                    VerifySide stored = VerifySide.of(dataset, new ReadOptions().columns("id64", "int32_c"));
                    VerifySide file = VerifySide.of(right, new FileReadOptions().columns("id64", "int32_c"))) {
                assertEquals("lz4", dataset.info().compression());
                VerifyReport report = ArrowRedis.verify(stored, file);
                assertTrue(!report.identical());
                assertEquals(
                        List.of("int32_c"),
                        report.columns().stream().map(c -> c.column()).toList());
                assertEquals(0, report.columns().get(0).row());
                assertEquals(Datasets.ALL_ROWS, report.left().rows());
                assertEquals(2, report.right().columns());
                assertEquals(1, report.differences().size());
            }
            store.delete("java:left");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void aDatasetWithoutAManifestIsRead(String kind) {
        try (Store store = open(kind)) {
            Datasets.publish(store, "java:bare");
            try (Dataset bare = store.datasetWithoutManifest("java:bare")) {
                assertEquals(Datasets.idsOf(0, 1, 2), Datasets.ids(bare, new ReadOptions()));
                assertTrue(!bare.info().hasManifest());
                assertThrows(ArrowRedisException.Unsupported.class, bare::partitions);
                assertThrows(ArrowRedisException.Unsupported.class, bare::chunks);
            }
            store.delete("java:bare");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void aStoreTellsWhatItIs(String kind) {
        try (Store store = open(kind)) {
            assertEquals(
                    kind.equals("redis") ? "redis" : "directory", store.ping().server());
            assertEquals(List.of(), store.ping().deniedCommands());
            assertTrue(store.description().contains(kind.equals("redis") ? "127.0.0.1" : "store"));
        }
    }
}
