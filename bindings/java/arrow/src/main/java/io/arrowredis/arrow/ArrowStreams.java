package io.arrowredis.arrow;

import io.arrowredis.ArrowStream;
import io.arrowredis.Context;
import io.arrowredis.Dataset;
import io.arrowredis.Reader;
import io.arrowredis.SplitOptions;
import io.arrowredis.SplitReport;
import io.arrowredis.Store;
import io.arrowredis.VerifySide;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.CDataDictionaryProvider;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.Schema;

/** Schemas and streams between the library and arrow-java. */
public final class ArrowStreams {
    private ArrowStreams() {}

    /**
     * The schema of a dataset, all columns.
     *
     * @param dataset the dataset
     * @param allocator what accounts for the struct on its way
     * @param context bounds; without a manifest a chunk is read for it
     * @return the schema
     * @throws io.arrowredis.ArrowRedisException UNSUPPORTED for a type that arrow-java does not have
     */
    public static Schema schema(Dataset dataset, BufferAllocator allocator, Context context) {
        CStructs.checkJvm();
        try (ArrowSchema schema = ArrowSchema.allocateNew(allocator);
                CDataDictionaryProvider dictionaries = new CDataDictionaryProvider()) {
            dataset.exportSchema(schema.memoryAddress(), context);
            return CStructs.importSchema(allocator, schema, dictionaries);
        }
    }

    /**
     * The chunk listing of a dataset: one batch with a row for each chunk.
     *
     * @param dataset the dataset
     * @param allocator what accounts for the vectors
     * @return the listing, which needs neither dataset nor store
     * @throws io.arrowredis.ArrowRedisException UNSUPPORTED for a dataset that was opened without a manifest
     */
    public static ArrowReader chunks(Dataset dataset, BufferAllocator allocator) {
        CStructs.checkJvm();
        return reader(dataset.chunks(), allocator);
    }

    /**
     * How the chunks of a dataset are spread over the nodes of a cluster: one batch with a row for each node.
     *
     * @param dataset the dataset
     * @param allocator what accounts for the vectors
     * @param context bounds
     * @return the listing, which needs neither dataset nor store
     * @throws io.arrowredis.ArrowRedisException what the store reports
     */
    public static ArrowReader nodes(Dataset dataset, BufferAllocator allocator, Context context) {
        CStructs.checkJvm();
        return reader(dataset.nodes(context), allocator);
    }

    private static ArrowReader reader(ArrowStream stream, BufferAllocator allocator) {
        try (stream) {
            return Data.importArrayStream(allocator, ArrowArrayStream.wrap(stream.address()));
        }
    }

    /**
     * A read as an Arrow C stream, as other native libraries take it: DuckDB's {@code registerArrowStream}, for one.
     *
     * @param reader the read, which may be closed afterwards
     * @param allocator what accounts for the struct
     * @return the stream; release and close it if nobody imports it
     */
    public static ArrowArrayStream export(Reader reader, BufferAllocator allocator) {
        CStructs.checkJvm();
        ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator);
        try {
            reader.exportStream(stream.memoryAddress());
            return stream;
        } catch (RuntimeException e) {
            stream.close();
            throw e;
        }
    }

    /**
     * Writes what an arrow-java reader reads to a store as a dataset, and publishes it last.
     *
     * @param store where to
     * @param prefix the dataset's name
     * @param reader the reader, closed by this; the library's threads call it
     * @param allocator what accounts for the batches on their way
     * @param options how to write
     * @param context bounds
     * @return what it came to
     * @throws io.arrowredis.ArrowRedisException as {@link Store#splitStream}
     */
    public static SplitReport split(
            Store store,
            String prefix,
            ArrowReader reader,
            BufferAllocator allocator,
            SplitOptions options,
            Context context) {
        CStructs.checkJvm();
        try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
            return CStructs.exporting(
                    stream,
                    () -> Data.exportArrayStream(allocator, reader, stream),
                    () -> store.splitStream(prefix, stream.memoryAddress(), options, context));
        }
    }

    /**
     * What an arrow-java reader reads as a side of a comparison.
     *
     * @param name what messages call it
     * @param reader the reader, closed by the side
     * @param allocator what accounts for the batches on their way
     * @return the side
     */
    public static VerifySide side(String name, ArrowReader reader, BufferAllocator allocator) {
        CStructs.checkJvm();
        try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
            return CStructs.exporting(
                    stream,
                    () -> Data.exportArrayStream(allocator, reader, stream),
                    () -> VerifySide.ofStream(name, stream.memoryAddress()));
        }
    }
}
