package io.arrowredis;

/** What to read of a dataset, and how. What is not set has the library's default. */
public final class ReadOptions extends Options<ReadOptions> {
    /** All defaults. */
    public ReadOptions() {
        super(Kind.READ);
    }

    /**
     * Partitions to read: {@code all}, or ids or values separated by commas. Default: {@code all}.
     *
     * @param value the words
     * @return this
     */
    public ReadOptions partitions(String... value) {
        return set("partitions", String.join(",", value));
    }

    /**
     * Columns to read, in this order; all unless given.
     *
     * @param value the words
     * @return this
     */
    public ReadOptions columns(String... value) {
        return set("columns", String.join(",", value));
    }

    /**
     * Conditions on columns that the rows must meet, such as {@code id64 >= 100 AND name IN ('a', 'b')}; all rows unless
     * given.
     *
     * @param value the conditions
     * @return this
     */
    public ReadOptions where(String value) {
        return set("where", value);
    }

    /**
     * What to do about a missing chunk. Default: {@code error}.
     *
     * @param value {@code error} or {@code skip}
     * @return this
     */
    public ReadOptions onMissing(String value) {
        return set("on_missing", value);
    }

    /**
     * Batches per partition, for data without a manifest; found out unless given.
     *
     * @param value the number
     * @return this
     */
    public ReadOptions batches(long value) {
        return set("batches", value);
    }

    /**
     * Check every chunk against the manifest's checksum. Default: {@code on}.
     *
     * @param value on or off
     * @return this
     */
    public ReadOptions verifyChecksums(boolean value) {
        return set("verify_checksums", value);
    }

    /**
     * Keys of one MGET at the most; 0 means 64. Fewer are asked for when they are large. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public ReadOptions pipeline(long value) {
        return set("pipeline", value);
    }

    /**
     * Requests in flight at the most; 0 means tuned. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public ReadOptions concurrency(long value) {
        return set("concurrency", value);
    }

    /**
     * Bytes in flight at the most, 7 MiB for each request in flight unless given (21 MiB on two cores, near the
     * server); the process's budget may allow less.
     *
     * @param value bytes
     * @return this
     */
    public ReadOptions maxInflightBytes(long value) {
        return set("max_inflight_bytes", value);
    }
}
