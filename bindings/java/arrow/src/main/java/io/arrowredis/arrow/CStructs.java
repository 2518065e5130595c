package io.arrowredis.arrow;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.ErrorCode;
import java.util.List;
import java.util.function.Supplier;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.BaseStruct;
import org.apache.arrow.c.CDataDictionaryProvider;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.util.MemoryUtil;
import org.apache.arrow.util.Preconditions;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/** The structs of the C interfaces on their way between the library and arrow-java. */
final class CStructs {
    private static final String OPEN_NIO = "--add-opens=java.base/java.nio=ALL-UNNAMED";

    private static final int MIN_DECIMAL_BITS = 128;

    private CStructs() {}

    /** Fails, naming the flag, when arrow-java cannot reach memory by its address in this JVM. */
    static void checkJvm() {
        try {
            MemoryUtil.directBuffer(0, 0);
        } catch (UnsupportedOperationException | LinkageError e) {
            ArrowRedisException error = ArrowRedisException.of(
                    ErrorCode.UNSUPPORTED, "arrow-java cannot reach native memory: start the JVM with " + OPEN_NIO);
            error.initCause(e);
            throw error;
        }
    }

    /** Has arrow-java import a schema, which it releases whatever the outcome; what it cannot do is UNSUPPORTED. */
    static Schema importSchema(BufferAllocator allocator, ArrowSchema schema, CDataDictionaryProvider dictionaries) {
        Schema imported;
        try {
            imported = Data.importSchema(allocator, schema, dictionaries);
        } catch (RuntimeException e) {
            throw unsupported("import", e);
        }
        imported.getFields().forEach(field -> checkDecimals(field, field.getName()));
        return imported;
    }

    /** Its vectors of narrow decimals read 16 bytes for a value whatever its width: wrong values, beyond the buffer. */
    private static void checkDecimals(Field field, String column) {
        if (field.getType() instanceof ArrowType.Decimal decimal && decimal.getBitWidth() < MIN_DECIMAL_BITS) {
            throw ArrowRedisException.of(
                    ErrorCode.UNSUPPORTED,
                    "arrow-java cannot read decimals of " + decimal.getBitWidth() + " bits, as in column '" + column
                            + "': read other columns");
        }
        field.getChildren().forEach(child -> checkDecimals(child, column));
    }

    /**
     * Has arrow-java import a batch column by column, each straight into its vector. Its own
     * {@code importIntoVectorSchemaRoot} fills vectors of a struct first, and loads the root from those: twice the work.
     * The batch is released or moved whatever the outcome; what arrow-java cannot do is UNSUPPORTED.
     */
    static void importBatch(
            BufferAllocator allocator, ArrowArray batch, VectorSchemaRoot root, CDataDictionaryProvider dictionaries) {
        ArrowArray.Snapshot struct = batch.snapshot();
        List<FieldVector> vectors = root.getFieldVectors();
        try {
            Preconditions.checkState(
                    struct.n_children == vectors.size(),
                    "a batch has %s columns where the schema has %s",
                    struct.n_children,
                    vectors.size());
            for (int column = 0; column < vectors.size(); column++) {
                // A child may be moved out of its parent, which leaves it alone from then on.
                long child = MemoryUtil.getLong(struct.children + (long) column * Long.BYTES);
                Data.importIntoVector(allocator, ArrowArray.wrap(child), vectors.get(column), dictionaries);
            }
            root.setRowCount(Math.toIntExact(struct.length));
        } catch (RuntimeException e) {
            root.clear();
            throw unsupported("import", e);
        } finally {
            batch.release();
        }
    }

    /** Has arrow-java export to a struct, and hands that to the library, which moves it; what is left is released. */
    static <T> T exporting(BaseStruct struct, Runnable exporting, Supplier<T> handingOver) {
        try {
            try {
                exporting.run();
            } catch (RuntimeException e) {
                throw unsupported("export", e);
            }
            return handingOver.get();
        } finally {
            releaseUnlessMoved(struct);
        }
    }

    private static ArrowRedisException unsupported(String what, RuntimeException cause) {
        String text = cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
        ArrowRedisException error =
                ArrowRedisException.of(ErrorCode.UNSUPPORTED, "arrow-java cannot " + what + " this: " + text);
        error.initCause(cause);
        return error;
    }

    private static void releaseUnlessMoved(BaseStruct struct) {
        if (struct instanceof ArrowSchema schema && schema.snapshot().release != 0) {
            schema.release();
        } else if (struct instanceof ArrowArray array && array.snapshot().release != 0) {
            array.release();
        } else if (struct instanceof ArrowArrayStream stream && stream.snapshot().release != 0) {
            stream.release();
        }
    }
}
