package io.arrowredis.bench;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What both programs share: the command line and the report of the peers in other languages. */
final class Bench {
    private static final int WARM_UPS = 12;
    private static final double NANOS_PER_SECOND = 1e9;

    private Bench() {}

    /**
     * What a program is asked to read.
     *
     * @param partitions all if empty
     * @param columns all if empty
     * @param batches per partition
     */
    record Flags(String redisUrl, String prefix, List<String> partitions, List<String> columns, int batches) {
        static Flags parse(String... arguments) {
            Map<String, String> values = new HashMap<>();
            for (int i = 0; i + 1 < arguments.length; i += 2) {
                values.put(arguments[i], arguments[i + 1]);
            }
            String partitions = values.getOrDefault("--partitions", "all");
            String columns = values.getOrDefault("--columns", "");
            return new Flags(
                    values.getOrDefault("--redis-url", "redis://127.0.0.1:6379/0"),
                    values.getOrDefault("--prefix", "bench"),
                    partitions.equals("all") ? List.of() : List.of(partitions.split(",")),
                    columns.isEmpty() ? List.of() : List.of(columns.split(",")),
                    Integer.parseInt(values.getOrDefault("--batches", "16")));
        }
    }

    /** What a read moved. */
    record Outcome(long rows, long chunks, long payloadBytes) {}

    /** A job that can be done again and again. */
    interface Job {
        Outcome run() throws Exception;
    }

    /**
     * Does a job until the JVM has settled, as in a service that lives for longer than a read; then once more, and prints
     * one JSON object. Until about the eighth read the compiler's threads take as much time as a read does, and on two
     * cores they take it from the read.
     */
    static void report(Job job) throws Exception {
        for (int i = 0; i < WARM_UPS; i++) {
            job.run();
        }
        long start = System.nanoTime();
        Outcome outcome = job.run();
        double seconds = (System.nanoTime() - start) / NANOS_PER_SECOND;
        System.out.printf(
                Locale.ROOT,
                "{\"rows\": %d, \"chunks\": %d, \"payload_bytes\": %d, \"total_seconds\": %.6f}%n",
                outcome.rows,
                outcome.chunks,
                outcome.payloadBytes,
                seconds);
    }
}
