package io.arrowredis.arrow;

import io.arrowredis.ArrowRedisException;
import io.arrowredis.BatchPosition;
import io.arrowredis.Reader;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.CDataDictionaryProvider;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.Dictionary;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * A read as an arrow-java reader: each batch is loaded into the one {@code VectorSchemaRoot}, whose buffers are those of
 * the native library.
 *
 * {@snippet :
 * try (BufferAllocator allocator = new RootAllocator();
 *         Dataset dataset = store.dataset("demo:v1");
 *         ArrowRedisReader reader = new ArrowRedisReader(allocator, dataset.read(new ReadOptions().columns("id64")))) {
 *     while (reader.loadNextBatch()) {
 *         sum((BigIntVector) reader.getVectorSchemaRoot().getVector("id64"));
 *     }
 * }
 * }
 *
 * <p>For one thread at a time, which may be a virtual one. Interrupting it ends the read with
 * {@link ArrowRedisException.Cancelled}. Failures are {@link ArrowRedisException}s, UNSUPPORTED for types that arrow-java
 * does not have.
 */
public final class ArrowRedisReader extends ArrowReader {
    private final Reader reader;
    private final CDataDictionaryProvider dictionaries = new CDataDictionaryProvider();
    private Optional<BatchPosition> position = Optional.empty();

    /**
     * Takes a read over.
     *
     * @param allocator what accounts for the vectors
     * @param reader the read, closed with this reader
     */
    public ArrowRedisReader(BufferAllocator allocator, Reader reader) {
        super(allocator);
        this.reader = reader;
        try {
            CStructs.checkJvm();
        } catch (ArrowRedisException e) {
            reader.close();
            throw e;
        }
    }

    /** {@return the read, for its figures and for cancelling it} */
    public Reader reader() {
        return reader;
    }

    /** {@return where the loaded batch belongs; empty before the first and after the last} */
    public Optional<BatchPosition> position() {
        return position;
    }

    @Override
    protected Schema readSchema() {
        try (ArrowSchema schema = ArrowSchema.allocateNew(allocator)) {
            reader.exportSchema(schema.memoryAddress());
            return CStructs.importSchema(allocator, schema, dictionaries);
        }
    }

    @Override
    public boolean loadNextBatch() throws IOException {
        // Before a batch is taken: its types may be beyond arrow-java.
        VectorSchemaRoot root = getVectorSchemaRoot();
        try (ArrowArray array = ArrowArray.allocateNew(allocator)) {
            position = reader.next(array.memoryAddress());
            if (position.isEmpty()) {
                root.clear();
                return false;
            }
            CStructs.importBatch(allocator, array, root, dictionaries);
            return true;
        }
    }

    /** {@return the bytes that were fetched so far} */
    @Override
    public long bytesRead() {
        return reader.metrics().payloadBytes();
    }

    @Override
    public Map<Long, Dictionary> getDictionaryVectors() {
        return dictionaries.getDictionaryIds().stream()
                .collect(Collectors.toMap(Function.identity(), dictionaries::lookup));
    }

    @Override
    public Dictionary lookup(long id) {
        return dictionaries.lookup(id);
    }

    @Override
    protected void closeReadSource() {
        reader.close();
        dictionaries.close();
    }
}
