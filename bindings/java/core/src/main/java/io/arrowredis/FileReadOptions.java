package io.arrowredis;

/** What to read of an IPC file, and how. What is not set has the library's default. */
public final class FileReadOptions extends Options<FileReadOptions> {
    /** All defaults. */
    public FileReadOptions() {
        super(Kind.FILE_READ);
    }

    /**
     * Partitions to read: {@code all}, or ids or values separated by commas. Default: {@code all}.
     *
     * @param value the words
     * @return this
     */
    public FileReadOptions partitions(String... value) {
        return set("partitions", String.join(",", value));
    }

    /**
     * Columns to read, in this order; all unless given.
     *
     * @param value the words
     * @return this
     */
    public FileReadOptions columns(String... value) {
        return set("columns", String.join(",", value));
    }

    /**
     * Conditions on columns that the rows must meet, such as {@code id64 >= 100 AND name IN ('a', 'b')}; all rows unless
     * given.
     *
     * @param value the conditions
     * @return this
     */
    public FileReadOptions where(String value) {
        return set("where", value);
    }

    /**
     * The column that says to which partition a row belongs, for files of other writers. Default: {@code partition}.
     *
     * @param value the text
     * @return this
     */
    public FileReadOptions partitionColumn(String value) {
        return set("partition_column", value);
    }

    /**
     * Batches per partition, for files without a partition column.
     *
     * @param value the number
     * @return this
     */
    public FileReadOptions batches(long value) {
        return set("batches", value);
    }

    /**
     * Batches decoded at once at the most; 0 means tuned. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public FileReadOptions concurrency(long value) {
        return set("concurrency", value);
    }

    /**
     * Bytes in flight at the most, 32 MiB unless given; the process's budget may allow less.
     *
     * @param value bytes
     * @return this
     */
    public FileReadOptions maxInflightBytes(long value) {
        return set("max_inflight_bytes", value);
    }

    /**
     * Map the file instead of reading it: its uncompressed columns are used where they lie. It must not change meanwhile. Default: {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public FileReadOptions mmap(boolean value) {
        return set("mmap", value);
    }
}
