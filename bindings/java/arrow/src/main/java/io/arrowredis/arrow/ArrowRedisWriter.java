package io.arrowredis.arrow;

import io.arrowredis.Context;
import io.arrowredis.SplitOptions;
import io.arrowredis.SplitReport;
import io.arrowredis.Store;
import io.arrowredis.Writer;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;

/**
 * Publishes a dataset batch by batch from arrow-java vectors. Nothing is visible to readers before it is finished;
 * closing it before that abandons the upload.
 *
 * {@snippet :
 * try (ArrowRedisWriter writer = new ArrowRedisWriter(
 *         store, "demo:v1", allocator, root, null, new SplitOptions().overwrite(true), new Context())) {
 *     for (Day day : days) {
 *         root.allocateNew();
 *         fill(root, day);
 *         writer.write();
 *     }
 *     writer.finish();
 * }
 * }
 *
 * <p>For one thread at a time. Interrupting it ends the upload.
 */
public final class ArrowRedisWriter implements AutoCloseable {
    private final BufferAllocator allocator;
    private final VectorSchemaRoot root;
    private final DictionaryProvider dictionaries;
    private final Writer writer;

    /**
     * Starts writing a dataset.
     *
     * @param store where to
     * @param prefix the dataset's name
     * @param allocator what accounts for the batches on their way
     * @param root the vectors that each batch is taken from; not closed with this writer
     * @param dictionaries the dictionaries of dictionary-encoded vectors; null if there are none
     * @param options how to write
     * @param context bounds of everything until the writer is finished
     * @throws io.arrowredis.ArrowRedisException INVALID_ARGUMENT for a prefix or option that cannot be
     */
    public ArrowRedisWriter(
            Store store,
            String prefix,
            BufferAllocator allocator,
            VectorSchemaRoot root,
            DictionaryProvider dictionaries,
            SplitOptions options,
            Context context) {
        CStructs.checkJvm();
        this.allocator = allocator;
        this.root = root;
        this.dictionaries = dictionaries;
        try (ArrowSchema schema = ArrowSchema.allocateNew(allocator)) {
            writer = CStructs.exporting(
                    schema,
                    () -> Data.exportSchema(allocator, root.getSchema(), dictionaries, schema),
                    () -> store.writer(prefix, schema.memoryAddress(), options, context));
        }
    }

    /**
     * Writes what the vectors hold now as a record batch. It shares their buffers until it is written: fill newly
     * allocated vectors ({@code root.allocateNew()}) with the next batch rather than the same buffers.
     *
     * @throws io.arrowredis.ArrowRedisException INVALID_ARGUMENT for a batch that does not fit; what ended the upload
     */
    public void write() {
        try (ArrowArray array = ArrowArray.allocateNew(allocator)) {
            CStructs.exporting(array, () -> Data.exportVectorSchemaRoot(allocator, root, dictionaries, array), () -> {
                writer.write(array.memoryAddress());
                return null;
            });
        }
    }

    /**
     * Writes what is left, and publishes the dataset.
     *
     * @return what it came to
     * @throws io.arrowredis.ArrowRedisException what ended the upload: nothing was published then
     */
    public SplitReport finish() {
        return writer.finish();
    }

    /** Closes the writer; an upload that was not finished is abandoned. Does nothing the second time. */
    @Override
    public void close() {
        writer.close();
    }
}
