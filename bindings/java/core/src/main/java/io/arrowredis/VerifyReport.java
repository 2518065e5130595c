package io.arrowredis;

import io.arrowredis.internal.CFunction;
import io.arrowredis.internal.Native;
import io.arrowredis.internal.Scratch;
import java.util.ArrayList;
import java.util.List;

/**
 * What a comparison found.
 *
 * @param identical whether both sides have the same columns, rows and values
 * @param left what was read on the left
 * @param right what was read on the right
 * @param columns the columns whose values differ
 * @param differences every difference as one sentence, the largest first: schema, partitions, rows, values
 * @param notes what differs in the schemas and does not count: nullability, metadata
 * @param metrics what it cost; rows are those compared, each counted once
 */
public record VerifyReport(
        boolean identical,
        Side left,
        Side right,
        List<ColumnDifference> columns,
        List<String> differences,
        List<String> notes,
        Metrics metrics) {

    /**
     * What was read on one side.
     *
     * @param name what the side is called
     * @param rows its rows
     * @param columns its columns
     * @param batches the record batches that it came in
     * @param payloadBytes the bytes that it takes where it is stored; -1 if not known
     */
    public record Side(String name, long rows, long columns, long batches, long payloadBytes) {
        private static final int FIELDS = 5;
    }

    /**
     * A column whose values differ.
     *
     * @param column the column's name
     * @param partition the first partition in which it differs, when comparing by partition; otherwise null
     * @param row the first row that differs, from 0; from the partition's first row when comparing by partition
     * @param left the value on the left, for a person
     * @param right the value on the right
     */
    public record ColumnDifference(String column, String partition, long row, String left, String right) {
        private static final int FIELDS = 5;
    }

    /** Reads a native report. */
    static VerifyReport from(long report) {
        return new VerifyReport(
                Native.call(CFunction.VERIFY_REPORT_IDENTICAL, report) == 1,
                side(report, 0),
                side(report, 1),
                columns(report),
                lines(CFunction.VERIFY_REPORT_DIFFERENCE, report),
                lines(CFunction.VERIFY_REPORT_NOTE, report),
                ContextBounds.read(CFunction.VERIFY_REPORT_METRICS, report));
    }

    private static Side side(long report, int number) {
        try (Scratch scratch = new Scratch()) {
            Scratch.Place fields = scratch.place(Side.FIELDS);
            Native.check(CFunction.VERIFY_REPORT_SIDE, report, number, fields.address(), fields.size());
            return new Side(fields.text(), fields.number(), fields.number(), fields.number(), fields.number());
        }
    }

    private static List<ColumnDifference> columns(long report) {
        List<ColumnDifference> columns = new ArrayList<>();
        long count = Native.call(CFunction.VERIFY_REPORT_COLUMN_COUNT, report);
        for (long index = 0; index < count; index++) {
            try (Scratch scratch = new Scratch()) {
                Scratch.Place fields = scratch.place(ColumnDifference.FIELDS);
                Native.check(CFunction.VERIFY_REPORT_COLUMN, report, index, fields.address(), fields.size());
                columns.add(new ColumnDifference(
                        fields.text(), fields.text(), fields.number(), fields.text(), fields.text()));
            }
        }
        return List.copyOf(columns);
    }

    private static List<String> lines(CFunction function, long report) {
        List<String> lines = new ArrayList<>();
        for (String line; (line = Native.text(function, report, lines.size(), 0)) != null; ) {
            lines.add(line);
        }
        return List.copyOf(lines);
    }
}
