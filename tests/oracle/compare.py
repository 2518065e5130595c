"""compare.py A B [A B ...]: are pairs of IPC files or streams equal by schema, rows and values?

Batch boundaries do not matter, dictionaries are compared by the values that they stand for, and
floats by their bits, so that NaN equals the same NaN and 0.0 differs from -0.0. What lies under a
null is ignored.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types
from arrow_io import Judged, main, read_batches

FLOAT_BITS = {pa.float16(): pa.int16(), pa.float32(): pa.int32(), pa.float64(): pa.int64()}


def plain(array: pa.Array) -> pa.Array:
    """The array without what may differ between equal values, or what pyarrow cannot take from."""
    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif types.is_dictionary(array.type):
            array = plain(array.dictionary).take(array.indices)
        elif types.is_run_end_encoded(array.type):
            array = pc.run_end_decode(array)
        elif types.is_map(array.type):
            entry = pa.struct([array.type.key_field, array.type.item_field])
            array = array.cast(pa.list_(pa.field("entries", entry, nullable=False)))
        elif types.is_string_view(array.type):
            array = array.cast(pa.large_string())
        elif types.is_binary_view(array.type):
            array = array.cast(pa.large_binary())
        else:
            return array


def same(a: pa.Array, b: pa.Array) -> bool:
    """Do two arrays of one length hold the same values?"""
    a, b = plain(a), plain(b)
    if len(a) != len(b) or a.type != b.type:
        return False
    if types.is_union(a.type):
        return same_union(a, b)
    if not pc.is_valid(a).equals(pc.is_valid(b)):
        return False
    if types.is_struct(a.type):
        return all(same(x, y) for x, y in zip(a.flatten(), b.flatten(), strict=True))
    if types.is_fixed_size_list(a.type) or is_list(a.type):
        if not pc.list_value_length(a).equals(pc.list_value_length(b)):
            return False
        return same(a.flatten(), b.flatten())
    if a.type in FLOAT_BITS:
        bits = FLOAT_BITS[a.type]
        return a.view(bits).equals(b.view(bits))
    return a.equals(b)


def is_list(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            types.is_list,
            types.is_large_list,
            types.is_list_view,
            types.is_large_list_view,
        )
    )


def same_union(a: pa.UnionArray, b: pa.UnionArray) -> bool:
    codes = union_buffer(a, 1, pa.int8())
    if not codes.equals(union_buffer(b, 1, pa.int8())):
        return False
    for child, code in enumerate(a.type.type_codes):
        chosen = pc.equal(codes, code)
        if not same(union_values(a, child, chosen), union_values(b, child, chosen)):
            return False
    return True


def union_buffer(array: pa.UnionArray, number: int, kind: pa.DataType) -> pa.Array:
    """Type codes (1) or offsets (2); the properties of these names forget a slice's offset."""
    buffers = [None, array.buffers()[number]]
    return pa.Array.from_buffers(kind, len(array), buffers, 0, array.offset)


def union_values(array: pa.UnionArray, child: int, chosen: pa.Array) -> pa.Array:
    values = plain(array.field(child))
    if array.type.mode == "sparse":
        return values.filter(chosen)
    return values.take(union_buffer(array, 2, pa.int32()).filter(chosen))


def aligned(
    a: list[pa.RecordBatch], b: list[pa.RecordBatch]
) -> Iterator[tuple[int, pa.RecordBatch, pa.RecordBatch]]:
    """Both sides cut at the union of their batch boundaries, each pair with its first row."""
    row, left, right = 0, [x for x in a if x.num_rows], [x for x in b if x.num_rows]
    while left and right:
        rows = min(left[0].num_rows, right[0].num_rows)
        yield row, left[0].slice(0, rows), right[0].slice(0, rows)
        row += rows
        for side in (left, right):
            side[0] = side[0].slice(rows)
            if not side[0].num_rows:
                side.pop(0)


def first_difference(a: pa.Array, b: pa.Array) -> int:
    """The first differing row of two arrays that differ, found by halving."""
    start, stop = 0, len(a)
    while stop - start > 1:
        middle = (start + stop) // 2
        if same(a.slice(start, middle - start), b.slice(start, middle - start)):
            start = middle
        else:
            stop = middle
    return start


def sorted_rows(
    schema: pa.Schema, batches: list[pa.RecordBatch], column: str
) -> list[pa.RecordBatch]:
    table = pa.Table.from_batches(batches, schema)
    order = pc.sort_indices(table, [(column, "ascending")])
    columns = [plain(chunks.combine_chunks()).take(order) for chunks in table.columns]
    return [pa.RecordBatch.from_arrays(columns, names=table.column_names)]


def compare(path_a: str, path_b: str, ignore_metadata: bool, sort_by: str | None) -> dict[str, Any]:
    (schema, a), (schema_b, b) = read_batches(path_a), read_batches(path_b)
    if not schema.equals(schema_b, check_metadata=not ignore_metadata):
        raise Judged(f"schemas differ:\n{schema}\n--- and ---\n{schema_b}")
    rows, rows_b = (sum(batch.num_rows for batch in side) for side in (a, b))
    if rows != rows_b:
        raise Judged(f"{rows} rows and {rows_b} rows")
    if sort_by:
        a, b = (sorted_rows(schema, side, sort_by) for side in (a, b))
    for row, left, right in aligned(a, b):
        for name, x, y in zip(schema.names, left.columns, right.columns, strict=True):
            if not same(x, y):
                at = first_difference(x, y)
                raise Judged(f"column {name!r}, row {row + at}: {x[at]!r} and {y[at]!r}")
    return {"equal": True, "rows": rows, "columns": len(schema), "batches": [len(a), len(b)]}


def judge() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", metavar="A B", help="pairs of files")
    parser.add_argument("--ignore-metadata", action="store_true", help="of schema and fields")
    parser.add_argument("--sort-by", metavar="COLUMN", help="compare rows in this column's order")
    options = parser.parse_args()
    if len(options.paths) % 2:
        raise Judged("an odd number of files")
    results = []
    for a, b in zip(options.paths[::2], options.paths[1::2], strict=True):
        try:
            results.append(compare(a, b, options.ignore_metadata, options.sort_by))
        except Exception as error:
            raise Judged(f"{a} and {b}: {error}") from error
    return results[0] if len(results) == 1 else {"equal": True, "pairs": len(results)}


if __name__ == "__main__":
    main(judge)
