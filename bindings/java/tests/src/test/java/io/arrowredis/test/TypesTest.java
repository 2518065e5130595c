package io.arrowredis.test;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.SplitOptions;
import io.arrowredis.Store;
import io.arrowredis.arrow.ArrowRedisReader;
import io.arrowredis.arrow.ArrowRedisWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.ipc.ArrowStreamReader;
import org.apache.arrow.vector.ipc.ArrowStreamWriter;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * All Arrow types in all shapes: read into arrow-java and published from there, and equal to what pyarrow reads; or the
 * exact words of what cannot be. The table is {@code src/test/resources/types.tsv}; a run leaves its own beside the
 * reports, to compare with and to copy.
 */
@ExtendWith(Leaks.class)
class TypesTest {
    private static final List<String> SHAPES = List.of("no_nulls", "nulls", "all_null", "empty", "sliced");
    private static final String FINE = "equal";
    private static final Path TESTS = Programs.ROOT.resolve("bindings/java/tests");

    private Path folder;

    /** Where syncing a file costs nothing, if there is such a place: a thousand files are written. */
    @BeforeEach
    void makeFolder() throws IOException {
        Path memory = Path.of("/dev/shm");
        folder = Files.isWritable(memory)
                ? Files.createTempDirectory(memory, "arrowredis-types-")
                : Files.createTempDirectory("arrowredis-types-");
    }

    @AfterEach
    void removeFolder() throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    @Test
    void everyCellOfTheTableIsAsItSays() throws IOException {
        Programs.python("arrow_types.py", "make", folder.toString());
        Map<String, String> cells = new TreeMap<>();
        List<String> types = Files.readAllLines(folder.resolve("types"));
        try (Store store = Store.open("file://" + folder.resolve("store"))) {
            for (String type : types) {
                for (String shape : SHAPES) {
                    String cell = type + "." + shape;
                    cells.put(cell, throughJava(store, cell, "n" + cells.size() + "n"));
                }
            }
        }
        Programs.python("arrow_types.py", "judge", folder.toString()).lines().forEach(line -> {
            String[] words = line.split("\t", 2);
            cells.merge(words[0], words[1], (told, more) -> told.equals(FINE) ? more : told + "; " + more);
        });
        String table = table(types, cells);
        Files.writeString(TESTS.resolve("target/types.tsv"), table);
        assertEquals(Files.readString(TESTS.resolve("src/test/resources/types.tsv")), table);
    }

    private static String table(List<String> types, Map<String, String> cells) {
        List<String> lines = new ArrayList<>();
        lines.add("type\t" + String.join("\t", SHAPES));
        for (String type : types) {
            List<String> line = new ArrayList<>(List.of(type));
            SHAPES.forEach(shape -> line.add(cells.get(type + "." + shape)));
            lines.add(String.join("\t", line));
        }
        return String.join("\n", lines) + "\n";
    }

    /** Puts a cell into the store, reads it, leaves what was read for the judge, and publishes that. */
    private String throughJava(Store store, String cell, String number) throws IOException {
        SplitOptions options = new SplitOptions().batches(1);
        Path read = folder.resolve("java").resolve(number + "," + cell + ".arrows");
        try (BufferAllocator allocator = new RootAllocator()) {
            store.splitFile("t-" + number, folder.resolve("cells/" + cell + ".arrow"), options, new Context());
            try (Dataset dataset = store.dataset("t-" + number);
                    ArrowRedisReader reader = new ArrowRedisReader(allocator, dataset.read())) {
                writeStream(reader, read);
                VectorSchemaRoot root = reader.getVectorSchemaRoot();
                if (!cell.endsWith(".sliced")) {
                    return publish(store, number, allocator, root, reader);
                }
                Optional<String> limit = whyNotSliced(read);
                if (limit.isPresent()) {
                    return "arrow-java cannot slice it: " + limit.get();
                }
                try (VectorSchemaRoot slice = slice(root)) {
                    return publish(store, number, allocator, slice, reader);
                }
            }
        } catch (ArrowRedisException e) {
            Files.deleteIfExists(read);
            return told(e);
        }
    }

    private static String told(ArrowRedisException e) {
        return e.code() + ": " + e.getMessage().lines().findFirst().orElse("").replaceAll("[tw]-n[0-9]+n", "DATASET");
    }

    private static void writeStream(ArrowRedisReader reader, Path file) throws IOException {
        reader.loadNextBatch();
        try (OutputStream out = Files.newOutputStream(file);
                ArrowStreamWriter writer = new ArrowStreamWriter(reader.getVectorSchemaRoot(), reader, out)) {
            writer.writeBatch();
        }
    }

    private String publish(
            Store store,
            String number,
            BufferAllocator allocator,
            VectorSchemaRoot root,
            DictionaryProvider dictionaries)
            throws IOException {
        SplitOptions options = new SplitOptions().batches(1);
        try (ArrowRedisWriter writer =
                new ArrowRedisWriter(store, "w-" + number, allocator, root, dictionaries, options, new Context())) {
            writer.write();
            writer.finish();
            Files.createFile(folder.resolve("java").resolve(number + ".published"));
            return FINE;
        } catch (ArrowRedisException e) {
            return "written: " + told(e);
        }
    }

    /** All rows but the first and the last. */
    private static VectorSchemaRoot slice(VectorSchemaRoot root) {
        return root.slice(1, root.getRowCount() - 2);
    }

    /** What arrow-java says when it slices vectors of its own, and leaks their memory with it. */
    private static Optional<String> whyNotSliced(Path stream) throws IOException {
        BufferAllocator allocator = new RootAllocator();
        ArrowStreamReader reader = new ArrowStreamReader(Files.newInputStream(stream), allocator);
        try {
            reader.loadNextBatch();
        } catch (IllegalArgumentException e) {
            // It cannot read all that it can write; then it is sliced all the same.
            return Optional.empty();
        }
        try {
            slice(reader.getVectorSchemaRoot()).close();
        } catch (RuntimeException e) {
            return Optional.of(e.getMessage());
        }
        reader.close();
        allocator.close();
        return Optional.empty();
    }
}
