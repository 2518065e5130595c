package io.arrowredis;

import io.arrowredis.internal.Scratch;

/**
 * One partition of a dataset.
 *
 * @param partition its id
 * @param value the value that it stands for, as text; null if it is not known
 * @param batches its batches
 * @param rows its rows
 * @param payloadBytes bytes of its payloads
 */
public record Partition(long partition, String value, long batches, long rows, long payloadBytes) {
    static final int FIELDS = 5;

    static Partition from(Scratch.Place fields) {
        return new Partition(fields.number(), fields.text(), fields.number(), fields.number(), fields.number());
    }
}
