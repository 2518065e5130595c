package io.arrowredis;

import io.arrowredis.internal.Scratch;

/**
 * What a store holds under one name.
 *
 * @param prefix the dataset's name
 * @param createdAt when it was published; null without a manifest
 * @param problem why its manifest could not be read; null if it could
 * @param hasManifest whether it was published with a manifest
 * @param partitions partitions
 * @param chunks chunks
 * @param rows rows; -1 without a manifest
 * @param payloadBytes bytes of all payloads; -1 without a manifest
 * @param unlistedChunks chunks under this name that the manifest does not list: of replaced versions in their grace
 *     period, and of uploads that are under way or dead
 */
public record DatasetSummary(
        String prefix,
        String createdAt,
        String problem,
        boolean hasManifest,
        long partitions,
        long chunks,
        long rows,
        long payloadBytes,
        long unlistedChunks) {
    static final int FIELDS = 9;

    static DatasetSummary from(Scratch.Place fields) {
        return new DatasetSummary(
                fields.text(),
                fields.text(),
                fields.text(),
                fields.flag(),
                fields.number(),
                fields.number(),
                fields.number(),
                fields.number(),
                fields.number());
    }
}
