package io.arrowredis;

/** How two datasets are compared. What is not set has the library's default. */
public final class VerifyOptions extends Options<VerifyOptions> {
    /** All defaults. */
    public VerifyOptions() {
        super(Kind.VERIFY);
    }

    /**
     * Compare partition by partition: the order of the partitions, and how they interleave, does not matter. Default: {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public VerifyOptions byPartition(boolean value) {
        return set("by_partition", value);
    }

    /**
     * The column that tells to which partition a row belongs, for sides without an index of their partitions. Default: {@code partition}.
     *
     * @param value the text
     * @return this
     */
    public VerifyOptions partitionColumn(String value) {
        return set("partition_column", value);
    }
}
