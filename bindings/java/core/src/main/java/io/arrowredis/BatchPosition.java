package io.arrowredis;

import java.util.OptionalLong;

/**
 * Where a batch belongs.
 *
 * @param partition the id of its partition; empty for batches that belong to none
 * @param batch its number within the partition, from 0
 */
public record BatchPosition(OptionalLong partition, long batch) {
    private static final int NO_PARTITION = -1; // UINT32_MAX

    static BatchPosition of(int partition, int batch) {
        OptionalLong id =
                partition == NO_PARTITION ? OptionalLong.empty() : OptionalLong.of(Integer.toUnsignedLong(partition));
        return new BatchPosition(id, Integer.toUnsignedLong(batch));
    }
}
