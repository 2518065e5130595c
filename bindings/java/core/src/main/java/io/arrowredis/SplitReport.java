package io.arrowredis;

import io.arrowredis.internal.Scratch;

/**
 * What a split came to.
 *
 * @param uploadId the upload that was published: 32 hexadecimal digits
 * @param partitions partitions of the dataset
 * @param chunks chunks of the dataset
 * @param chunksCopied chunks that were copied byte for byte rather than encoded anew
 * @param replacedUploadId the upload that was replaced; empty if there was none
 * @param metrics what it cost
 */
public record SplitReport(
        String uploadId, long partitions, long chunks, long chunksCopied, String replacedUploadId, Metrics metrics) {
    static final int FIELDS = 13;
    private static final int UPLOAD_ID_BYTES = 40;

    static SplitReport from(Scratch.Place fields, Scratch.Place metrics) {
        return new SplitReport(
                fields.characters(UPLOAD_ID_BYTES),
                fields.number(),
                fields.number(),
                fields.number(),
                fields.characters(UPLOAD_ID_BYTES),
                Metrics.from(metrics));
    }
}
