package io.arrowredis;

import io.arrowredis.internal.Scratch;

/**
 * What a collection of garbage came to.
 *
 * @param datasets datasets under whose names dead uploads were found
 * @param deadUploads uploads that had died unpublished, as far as they were on record
 * @param chunks chunks that were deleted
 * @param versionsInGrace replaced versions that stay until their grace period is over
 * @param inUse names that a writer is at, or may be: left alone
 */
public record GarbageReport(long datasets, long deadUploads, long chunks, long versionsInGrace, long inUse) {
    static final int FIELDS = 5;

    static GarbageReport from(Scratch.Place fields) {
        return new GarbageReport(fields.number(), fields.number(), fields.number(), fields.number(), fields.number());
    }
}
