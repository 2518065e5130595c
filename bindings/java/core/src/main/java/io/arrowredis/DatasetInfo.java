package io.arrowredis;

import io.arrowredis.internal.Scratch;

/**
 * What a dataset is. Without a manifest, texts are empty and numbers 0.
 *
 * @param prefix its name
 * @param uploadId 32 hexadecimal digits that tell this upload from every other
 * @param createdAt when it was published, as RFC 3339 in UTC
 * @param compression the compression of its chunks: {@code zstd}, {@code lz4} or {@code none}
 * @param writer the program that wrote it
 * @param partitionColumn the partition column; null if it has none
 * @param rows rows of all chunks
 * @param payloadBytes bytes of all payloads
 * @param chunks chunks
 * @param hasManifest whether it was opened by its manifest
 */
public record DatasetInfo(
        String prefix,
        String uploadId,
        String createdAt,
        String compression,
        String writer,
        String partitionColumn,
        long rows,
        long payloadBytes,
        long chunks,
        boolean hasManifest) {
    static final int FIELDS = 10;

    static DatasetInfo from(Scratch.Place fields) {
        return new DatasetInfo(
                fields.text(),
                fields.text(),
                fields.text(),
                fields.text(),
                fields.text(),
                fields.text(),
                fields.number(),
                fields.number(),
                fields.number(),
                fields.flag());
    }
}
