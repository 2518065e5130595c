package io.arrowredis;

import io.arrowredis.internal.Scratch;

/**
 * What an operation has done so far, and what it cost: a snapshot. MB are 2^20 bytes.
 *
 * @param rows rows handed out, written or compared
 * @param chunks chunks (or record batches of a file) moved
 * @param payloadBytes bytes on the wire or in the file, as stored
 * @param decodedBytes bytes of the Arrow arrays that were made or encoded
 * @param fetchSeconds seconds during which at least one fetch, or write to the store, ran
 * @param decodeSeconds seconds during which at least one decode or encode ran; overlaps with the former
 * @param totalSeconds seconds from the start of the operation to now, or to its end
 * @param retries requests that were repeated after a failure that could pass
 * @param chunksSkipped chunks that were missing and skipped because the caller asked for that
 * @param chunksExpected how many chunks the operation will move; 0 until known
 * @param payloadBytesExpected how many payload bytes the operation will move; 0 until known
 * @param payloadMbPerSecond payload MB a second over the whole operation
 * @param decodedMbPerSecond decoded MB a second over the whole operation
 * @param rowsPerSecond rows a second over the whole operation
 * @param chunksPruned chunks that were not touched, since their statistics rule out that a filter keeps any of their rows
 * @param bytesPruned bytes that were not fetched because of a filter
 */
public record Metrics(
        long rows,
        long chunks,
        long payloadBytes,
        long decodedBytes,
        double fetchSeconds,
        double decodeSeconds,
        double totalSeconds,
        long retries,
        long chunksSkipped,
        long chunksExpected,
        long payloadBytesExpected,
        double payloadMbPerSecond,
        double decodedMbPerSecond,
        double rowsPerSecond,
        long chunksPruned,
        long bytesPruned) {
    static final int FIELDS = 16;
    static final Metrics NONE = new Metrics(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    static Metrics from(Scratch.Place fields) {
        return new Metrics(
                fields.number(),
                fields.number(),
                fields.number(),
                fields.number(),
                fields.fraction(),
                fields.fraction(),
                fields.fraction(),
                fields.number(),
                fields.number(),
                fields.number(),
                fields.number(),
                fields.fraction(),
                fields.fraction(),
                fields.fraction(),
                fields.number(),
                fields.number());
    }
}
