package io.arrowredis;

import java.time.Duration;

/** How a dataset is written. What is not set has the library's default. */
public final class SplitOptions extends Options<SplitOptions> {
    /** All defaults. */
    public SplitOptions() {
        super(Kind.SPLIT);
    }

    /**
     * Compression of the chunks. Batches that have it already are copied, not encoded anew. Default: {@code zstd}.
     *
     * @param value {@code zstd}, {@code lz4} or {@code uncompressed}
     * @return this
     */
    public SplitOptions compression(String value) {
        return set("compression", value);
    }

    /**
     * The column whose value says to which partition a row belongs. Default: {@code partition}.
     *
     * @param value the text
     * @return this
     */
    public SplitOptions partitionColumn(String value) {
        return set("partition_column", value);
    }

    /**
     * Batches per partition, for input without a partition column.
     *
     * @param value the number
     * @return this
     */
    public SplitOptions batches(long value) {
        return set("batches", value);
    }

    /**
     * Sort the rows of batches that hold several partitions into batches that hold one. Default: {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public SplitOptions repartition(boolean value) {
        return set("repartition", value);
    }

    /**
     * Replace a dataset that exists. It is gone from the first write on. Default: {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public SplitOptions overwrite(boolean value) {
        return set("overwrite", value);
    }

    /**
     * Publish a version of its own, which replaces what exists in one moment; readers keep the version that they opened.
     * Default: {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public SplitOptions versioned(boolean value) {
        return set("versioned", value);
    }

    /**
     * How long the chunks of a replaced version stay for those who read it; on stores without expiry until gc finds that
     * time over. Default: {@code 600}.
     *
     * @param value the time
     * @return this
     */
    public SplitOptions gracePeriod(Duration value) {
        return set("grace_period", value);
    }

    /**
     * Time after which the dataset vanishes from the store; never unless given.
     *
     * @param value the time
     * @return this
     */
    public SplitOptions ttl(Duration value) {
        return set("ttl", value);
    }

    /**
     * When the manifest gets minimum, maximum and null count of columns. Default: {@code auto}.
     *
     * @param value {@code auto}, {@code on} or {@code off}
     * @return this
     */
    public SplitOptions statistics(String value) {
        return set("statistics", value);
    }

    /**
     * Columns that get statistics at the most. Default: {@code 32}.
     *
     * @param value the number
     * @return this
     */
    public SplitOptions statisticsColumns(long value) {
        return set("statistics_columns", value);
    }

    /**
     * Chunks that are written at once at the most. Default: {@code 256}.
     *
     * @param value the number
     * @return this
     */
    public SplitOptions maxInflight(long value) {
        return set("max_inflight", value);
    }

    /**
     * Keys of one request at the most; 0 means 64. Fewer are written at once when they are large. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public SplitOptions pipeline(long value) {
        return set("pipeline", value);
    }

    /**
     * Bytes in flight at the most; the process's budget may allow less.
     *
     * @param value bytes
     * @return this
     */
    public SplitOptions maxInflightBytes(long value) {
        return set("max_inflight_bytes", value);
    }
}
