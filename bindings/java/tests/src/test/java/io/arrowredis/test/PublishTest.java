package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.arrowredis.ArrowRedis;
import io.arrowredis.ArrowRedisException;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.Partition;
import io.arrowredis.ReadOptions;
import io.arrowredis.SplitOptions;
import io.arrowredis.SplitReport;
import io.arrowredis.Store;
import io.arrowredis.VerifySide;
import io.arrowredis.arrow.ArrowRedisReader;
import io.arrowredis.arrow.ArrowRedisWriter;
import io.arrowredis.arrow.ArrowStreams;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;
import org.apache.arrow.vector.util.Text;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A program's own data: published from arrow-java vectors, read back by column. */
@ExtendWith(Leaks.class)
class PublishTest {
    private static final Schema SCHEMA = new Schema(List.of(
            Field.notNullable("city", new ArrowType.Utf8()),
            Field.nullable("celsius", new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE)),
            Field.nullable("station", new ArrowType.Utf8())));
    private static final List<String> CITIES = List.of("Oslo", "Zürich", "Lima");
    private static RedisServer redis;

    @TempDir
    Path folder;

    private BufferAllocator allocator;

    @BeforeAll
    static void startServer() {
        redis = RedisServer.start();
    }

    @AfterAll
    static void stopServer() {
        redis.close();
    }

    @BeforeEach
    void openAllocator() {
        allocator = new RootAllocator();
    }

    /** Closing fails when anything is still accounted for. */
    @AfterEach
    void closeAllocator() {
        allocator.close();
    }

    private Store open(String kind) {
        return Store.open(kind.equals("redis") ? redis.url() : "file://" + folder.resolve("store"));
    }

    private static SplitOptions byCity() {
        return new SplitOptions().partitionColumn("city");
    }

    private static void fill(VectorSchemaRoot root, String city, double first) {
        root.allocateNew();
        VarCharVector cities = (VarCharVector) root.getVector("city");
        Float8Vector celsius = (Float8Vector) root.getVector("celsius");
        VarCharVector stations = (VarCharVector) root.getVector("station");
        for (int row = 0; row < 3; row++) {
            cities.setSafe(row, new Text(city));
            stations.setSafe(row, new Text("station " + row));
        }
        celsius.setSafe(0, first);
        celsius.setNull(1);
        celsius.setSafe(2, first + 0.5);
        root.setRowCount(3);
    }

    private SplitReport publish(Store store, String prefix) {
        try (VectorSchemaRoot root = VectorSchemaRoot.create(SCHEMA, allocator);
                ArrowRedisWriter writer =
                        new ArrowRedisWriter(store, prefix, allocator, root, null, byCity(), new Context())) {
            for (int i = 0; i < CITIES.size(); i++) {
                fill(root, CITIES.get(i), i);
                writer.write();
            }
            return writer.finish();
        }
    }

    private List<String> rows(Dataset dataset, ReadOptions options) throws IOException {
        List<String> rows = new ArrayList<>();
        try (ArrowRedisReader reader = new ArrowRedisReader(allocator, dataset.read(options))) {
            while (reader.loadNextBatch()) {
                VectorSchemaRoot root = reader.getVectorSchemaRoot();
                for (int row = 0; row < root.getRowCount(); row++) {
                    List<String> cells = new ArrayList<>();
                    for (var vector : root.getFieldVectors()) {
                        cells.add(String.valueOf(vector.getObject(row)));
                    }
                    rows.add(String.join(" ", cells));
                }
            }
        }
        return rows;
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void ownDataIsPublishedAndReadBack(String kind) throws IOException {
        try (Store store = open(kind)) {
            SplitReport report = publish(store, "java:own");
            assertEquals(3, report.partitions());
            assertEquals(9, report.metrics().rows());
            try (Dataset dataset = store.dataset("java:own")) {
                assertEquals(
                        CITIES,
                        dataset.partitions().stream().map(Partition::value).toList());
                ReadOptions options =
                        new ReadOptions().partitions("Zürich", "Oslo").columns("celsius", "city");
                assertEquals(
                        List.of("0.0 Oslo", "null Oslo", "0.5 Oslo", "1.0 Zürich", "null Zürich", "1.5 Zürich"),
                        rows(dataset, options));
            }
            store.delete("java:own");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void aReaderIsPublishedAndCompared(String kind) throws IOException {
        try (Store store = open(kind)) {
            Datasets.publish(store, "java:stream");
            try (Dataset dataset = store.dataset("java:stream");
                    ArrowRedisReader generated =
                            new ArrowRedisReader(allocator, ArrowRedis.generate(Datasets.options()));
                    VerifySide stored = VerifySide.of(dataset);
                    VerifySide stream = ArrowStreams.side("generated", generated, allocator)) {
                var report = ArrowRedis.verify(stored, stream);
                assertEquals(List.of(), report.differences());
                assertEquals("generated", report.right().name());
                assertEquals(Datasets.ALL_ROWS, report.right().rows());
            }
            store.delete("java:stream");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void whatIsNotFinishedIsNotThere(String kind) {
        try (Store store = open(kind)) {
            try (VectorSchemaRoot root = VectorSchemaRoot.create(SCHEMA, allocator);
                    ArrowRedisWriter writer = new ArrowRedisWriter(
                            store, "java:abandoned", allocator, root, null, byCity(), new Context())) {
                fill(root, "Oslo", 0);
                writer.write();
            }
            assertEquals(List.of(), store.list());
            assertThrows(ArrowRedisException.NotFound.class, () -> store.dataset("java:abandoned"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void aBatchThatCannotBeIsRefused(String kind) {
        try (Store store = open(kind);
                VectorSchemaRoot root = VectorSchemaRoot.create(SCHEMA, allocator)) {
            fill(root, "Oslo", 0);
            ((VarCharVector) root.getVector("city")).setSafe(1, new Text("Lima"));
            try (ArrowRedisWriter writer =
                    new ArrowRedisWriter(store, "java:mixed", allocator, root, null, byCity(), new Context())) {
                writer.write();
                ArrowRedisException error = assertThrows(ArrowRedisException.InvalidArgument.class, writer::finish);
                assertTrue(error.getMessage().contains("batch 0"), error.getMessage());
            }
            assertThrows(
                    ArrowRedisException.InvalidArgument.class,
                    () -> new ArrowRedisWriter(store, "a*b", allocator, root, null, byCity(), new Context()));
            store.close();
            assertThrows(
                    IllegalStateException.class,
                    () -> new ArrowRedisWriter(store, "late", allocator, root, null, byCity(), new Context()));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"embedded", "redis"})
    void anInterruptEndsAnUpload(String kind) {
        try (Store store = open(kind);
                VectorSchemaRoot root = VectorSchemaRoot.create(SCHEMA, allocator)) {
            fill(root, "Oslo", 0);
            try (ArrowRedisWriter writer =
                    new ArrowRedisWriter(store, "java:stopped", allocator, root, null, byCity(), new Context())) {
                writer.write();
                Thread.currentThread().interrupt();
                assertThrows(ArrowRedisException.Cancelled.class, writer::finish);
                assertTrue(Thread.interrupted());
            }
            assertEquals(List.of(), store.list());
        }
    }
}
