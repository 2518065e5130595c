package io.arrowredis.examples;

import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.ReadOptions;
import io.arrowredis.SplitOptions;
import io.arrowredis.Store;
import io.arrowredis.arrow.ArrowRedisReader;
import io.arrowredis.arrow.ArrowRedisWriter;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.DateDayVector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.DateUnit;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Publish a program's own measurements, one partition a day, and read two columns of one day back.
 *
 * <p>{@code OwnData [URL]}, where the URL is {@code redis://127.0.0.1:6379} or {@code file:///some/directory}.
 */
public final class OwnData {
    private static final String PREFIX = "example:own-data";
    private static final int FIRST_DAY = 20_000; // 2024-10-04, as days since 1970
    private static final int DAYS = 3;
    private static final int SENSORS = 4;
    private static final Schema SCHEMA = new Schema(List.of(
            Field.notNullable("day", new ArrowType.Date(DateUnit.DAY)),
            Field.notNullable("sensor", new ArrowType.Int(32, true)),
            Field.nullable("celsius", new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE)),
            Field.nullable("humidity", new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE))));

    private OwnData() {}

    /** Publishes to the store of the first argument, and reads back. */
    public static void main(String... arguments) throws IOException {
        String url = arguments.length > 0 ? arguments[0] : "redis://127.0.0.1:6379";
        Context context = new Context().withTimeout(Duration.ofSeconds(30));
        try (BufferAllocator allocator = new RootAllocator();
                Store store = Store.open(url)) {
            publish(store, allocator, context);
            try (Dataset dataset = store.dataset(PREFIX, context)) {
                dataset.partitions()
                        .forEach(
                                partition -> System.out.println(partition.value() + ": " + partition.rows() + " rows"));
                readOneDay(dataset, allocator, context);
            }
            store.delete(PREFIX, context);
        }
    }

    private static void publish(Store store, BufferAllocator allocator, Context context) {
        SplitOptions options = new SplitOptions().partitionColumn("day").overwrite(true);
        try (VectorSchemaRoot root = VectorSchemaRoot.create(SCHEMA, allocator);
                ArrowRedisWriter writer =
                        new ArrowRedisWriter(store, PREFIX, allocator, root, null, options, context)) {
            for (int day = 0; day < DAYS; day++) {
                fill(root, day);
                writer.write();
            }
            // Readers see nothing before this, and everything after it.
            System.out.println("published " + writer.finish().chunks() + " days");
        }
    }

    private static void fill(VectorSchemaRoot root, int day) {
        root.allocateNew();
        DateDayVector days = (DateDayVector) root.getVector("day");
        IntVector sensors = (IntVector) root.getVector("sensor");
        Float8Vector celsius = (Float8Vector) root.getVector("celsius");
        for (int sensor = 0; sensor < SENSORS; sensor++) {
            days.setSafe(sensor, FIRST_DAY + day);
            sensors.setSafe(sensor, sensor);
            celsius.setSafe(sensor, 20 + day + sensor / 4.0);
        }
        // Humidity is not measured: all null.
        root.setRowCount(SENSORS);
    }

    private static void readOneDay(Dataset dataset, BufferAllocator allocator, Context context) throws IOException {
        ReadOptions options = new ReadOptions().partitions("2024-10-05").columns("sensor", "celsius");
        try (ArrowRedisReader reader = new ArrowRedisReader(allocator, dataset.read(options, context))) {
            while (reader.loadNextBatch()) {
                System.out.print(reader.getVectorSchemaRoot().contentToTSVString());
            }
        }
    }
}
