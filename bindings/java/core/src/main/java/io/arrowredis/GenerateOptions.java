package io.arrowredis;

/** What a generated dataset is. What is not set has the library's default. */
public final class GenerateOptions extends Options<GenerateOptions> {
    /** All defaults. */
    public GenerateOptions() {
        super(Kind.GENERATE);
    }

    /**
     * Number of partitions; their ids count from 0. Default: {@code 8}.
     *
     * @param value the number
     * @return this
     */
    public GenerateOptions partitions(long value) {
        return set("partitions", value);
    }

    /**
     * Number of record batches in each partition. Default: {@code 8}.
     *
     * @param value the number
     * @return this
     */
    public GenerateOptions batches(long value) {
        return set("batches", value);
    }

    /**
     * Number of rows in each record batch. Default: {@code 100000}.
     *
     * @param value the number
     * @return this
     */
    public GenerateOptions rows(long value) {
        return set("rows", value);
    }

    /**
     * Compression of the record batches' bodies. Default: {@code zstd}.
     *
     * @param value {@code zstd}, {@code lz4} or {@code uncompressed}
     * @return this
     */
    public GenerateOptions compression(String value) {
        return set("compression", value);
    }

    /**
     * Dictionary-encode the string column: smaller, with the same values. Default: {@code off}.
     *
     * @param value on or off
     * @return this
     */
    public GenerateOptions dictStrings(boolean value) {
        return set("dict_strings", value);
    }

    /**
     * Number of different words in the string column, up to 10 million; fewer compress better. Default: {@code 5000}.
     *
     * @param value the number
     * @return this
     */
    public GenerateOptions stringCardinality(long value) {
        return set("string_cardinality", value);
    }

    /**
     * Seed of the random values; the same options and seed give the same bytes. Default: {@code 123}.
     *
     * @param value the number
     * @return this
     */
    public GenerateOptions seed(long value) {
        return set("seed", value);
    }

    /**
     * Make several batches at once; does not change the result. Default: {@code on}.
     *
     * @param value on or off
     * @return this
     */
    public GenerateOptions parallel(boolean value) {
        return set("parallel", value);
    }

    /**
     * How many batches are made at once at the most; 0 means one for each CPU thread. Does not change the result. Default: {@code 0}.
     *
     * @param value the number
     * @return this
     */
    public GenerateOptions workers(long value) {
        return set("workers", value);
    }
}
