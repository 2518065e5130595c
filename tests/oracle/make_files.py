"""make_files.py OUT_DIR: writes IPC files and streams as other programs write them, one a feature.

`<name>.arrow` is an IPC file, `<name>.arrows` an IPC stream; `index.json` describes them. Unless
its name says otherwise, a file has 4 batches of 6 rows, two batches for each of the partitions 0
and 1, in an int32 column `partition`.
"""

from __future__ import annotations

import argparse
import datetime
import decimal
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
from arrow_io import main

ROWS = 6
PARTITIONS = [0, 0, 1, 1]
FIELD = "partition"


@dataclass
class Case:
    """One input: its batches, how to write them, and what the index says of it."""

    name: str
    features: list[str]
    batches: list[pa.RecordBatch]
    kinds: tuple[str, ...] = ("file", "stream")
    compression: str | None = None
    write: dict[str, Any] = field(default_factory=dict)
    mixed_partitions: bool = False
    align: int = 8


@dataclass
class Entry:
    file: str
    kind: str
    features: list[str]
    rows: int
    batches: int
    partition_column: str | None
    mixed_partitions: bool


def with_partition(
    make: Callable[[int], dict[str, pa.Array]],
    partitions: Iterable[Any] = PARTITIONS,
    kind: pa.DataType = pa.int32(),
) -> list[pa.RecordBatch]:
    """A batch for each partition: `make(i)` and a `partition` column of that value."""
    batches = []
    for number, value in enumerate(partitions):
        columns = make(number)
        rows = len(next(iter(columns.values())))
        values = pa.array([value] * rows, kind)
        batches.append(pa.record_batch({**columns, FIELD: values}))
    return batches


def numbered(batch: int, rows: int = ROWS) -> dict[str, pa.Array]:
    return {
        "id64": pa.array(range(batch * rows, (batch + 1) * rows), pa.int64()),
        "text": pa.array([f"row {row} of batch {batch} é" for row in range(rows)]),
    }


def of_types(
    kinds: dict[str, pa.DataType], values: Callable[[int], list[Any]]
) -> Callable[[int], dict]:
    """Columns of several types that hold the same values, the third of them null."""

    def make(batch: int) -> dict[str, pa.Array]:
        column = values(batch)
        column[2] = None
        return {name: pa.array(column, kind) for name, kind in kinds.items()}

    return make


def dates(batch: int) -> list[Any]:
    return [
        datetime.date(1969, 12, 28) + datetime.timedelta(days=batch * ROWS + i) for i in range(ROWS)
    ]


def instants(batch: int) -> list[Any]:
    start = datetime.datetime(1969, 12, 31, 23, 59, 58)
    return [start + datetime.timedelta(seconds=batch * ROWS + i) for i in range(ROWS)]


def zoned(batch: int) -> list[Any]:
    return [instant.replace(tzinfo=datetime.timezone.utc) for instant in instants(batch)]


def times(batch: int) -> list[Any]:
    return [datetime.time(batch, 59, i) for i in range(ROWS)]


def spans(batch: int) -> list[Any]:
    return [datetime.timedelta(seconds=i - batch) for i in range(ROWS)]


def floats(batch: int) -> dict[str, pa.Array]:
    values = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1.5 + batch]
    odd_nan = np.array([0x7FF8_0000_0000_0001 + batch] * ROWS, np.uint64).view(np.float64)
    return {
        "float16": pa.array(np.array(values, np.float16)),
        "float32": pa.array(values, pa.float32()),
        "float64": pa.array(values, pa.float64()),
        "nan_payload": pa.array(odd_nan),
        "nullable": pa.array([None if value == 0.0 else value for value in values], pa.float64()),
    }


def decimals(batch: int) -> dict[str, pa.Array]:
    values = [decimal.Decimal(i - 3 * batch).scaleb(-2) for i in range(ROWS)]
    values[1] = None
    kinds = {
        "decimal32": pa.decimal32(9, 2),
        "decimal64": pa.decimal64(18, 2),
        "decimal128": pa.decimal128(38, 4),
        "decimal256": pa.decimal256(76, 10),
        "negative_scale": pa.decimal128(10, -2),
    }
    hundreds = [None if value is None else value * 10_000 for value in values]
    return {
        name: pa.array(hundreds if kind.scale < 0 else values, kind) for name, kind in kinds.items()
    }


def nested(batch: int) -> dict[str, pa.Array]:
    point = pa.struct([("x", pa.int32()), ("name", pa.string())])
    lists = [[batch, 2], [], None, [None], [5], [6, 7, 8]]
    points = [{"x": i, "name": None if i == batch else f"p{i}"} for i in range(ROWS)]
    points[4] = None
    pairs = [[("a", 1), ("b", None)], [], None, [("c", batch)], [], [("d", 4)]]
    return {
        "list": pa.array(lists, pa.list_(pa.int32())),
        "large_list": pa.array(lists, pa.large_list(pa.int32())),
        "fixed_size_list": pa.array(
            [[i, batch, None] if i != 3 else None for i in range(ROWS)], pa.list_(pa.int16(), 3)
        ),
        "struct": pa.array(points, point),
        "map": pa.array(pairs, pa.map_(pa.string(), pa.int32())),
        "list_of_struct": pa.array([points[:i] for i in range(ROWS)], pa.list_(point)),
        "list_of_list": pa.array(
            [[lists[0], None], [], None, [[]], [lists[5]], []], pa.list_(pa.list_(pa.int64()))
        ),
        "struct_of_list": pa.array(
            [{"values": value} for value in lists], pa.struct([("values", pa.list_(pa.int8()))])
        ),
    }


def views(batch: int) -> dict[str, pa.Array]:
    words = ["short", None, "", f"longer than what is held inline {batch}", "é", 300 * "x"]
    lists = [[batch, 2], [], None, [None], [5], [6, 7, 8]]
    return {
        "string_view": pa.array(words, pa.string_view()),
        "binary_view": pa.array(
            [None if w is None else w.encode() for w in words], pa.binary_view()
        ),
        "list_view": pa.array(lists, pa.list_view(pa.int32())),
        "large_list_view": pa.array(lists, pa.large_list_view(pa.int32())),
        "list_of_string_view": pa.array(
            [words[:i] for i in range(ROWS)], pa.list_(pa.string_view())
        ),
    }


def binaries(batch: int) -> dict[str, pa.Array]:
    words = [b"", None, b"\x00\xff", f"batch {batch}".encode(), b"x" * 100, b"y"]
    texts = ["", None, "é", f"batch {batch}", "x" * 100, "\0"]
    return {
        "binary": pa.array(words, pa.binary()),
        "large_binary": pa.array(words, pa.large_binary()),
        "fixed_size_binary": pa.array(
            [None if w is None else w[:1].ljust(5, b"z") for w in words], pa.binary(5)
        ),
        "string": pa.array(texts, pa.string()),
        "large_string": pa.array(texts, pa.large_string()),
    }


def unions(batch: int) -> dict[str, pa.Array]:
    codes = pa.array([0, 1, 0, 1, 1, 0], pa.int8())
    numbers = pa.array([batch, 1, None, 3, 4, 5], pa.int64())
    texts = pa.array(["a", "b", None, f"d{batch}", "e", "f"])
    offsets = pa.array([0, 0, 1, 1, 2, 2], pa.int32())
    return {
        "sparse": pa.UnionArray.from_sparse(codes, [numbers, texts], ["number", "text"]),
        "dense": pa.UnionArray.from_dense(codes, offsets, [numbers, texts], ["number", "text"]),
        "coded": pa.UnionArray.from_dense(
            pa.array([7, 5, 7, 5, 5, 7], pa.int8()),
            offsets,
            [texts, numbers],
            ["text", "number"],
            [7, 5],
        ),
    }


def run_ends(batch: int) -> dict[str, pa.Array]:
    numbers = pa.array([batch, batch, None, None, 3, 3], pa.int64())
    texts = pa.array(["a", "a", "a", None, "b", f"c{batch}"])
    return {
        f"run_ends_{bits}_{name}": pc.run_end_encode(values, run_end_type=kind)
        for bits, kind in [(16, pa.int16()), (32, pa.int32()), (64, pa.int64())]
        for name, values in [("number", numbers), ("text", texts)]
    }


def intervals(batch: int) -> dict[str, pa.Array]:
    months = [pa.MonthDayNano([batch, i, -i]) if i != 2 else None for i in range(ROWS)]
    return {"month_day_nano": pa.array(months, pa.month_day_nano_interval())}


def dictionary(
    values: pa.Array, index: pa.DataType, indices: list[int | None]
) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(indices, index), values)


def several_dictionaries(_: int) -> dict[str, pa.Array]:
    words = pa.array(["red", "green", "blue"])
    indices = [0, 1, None, 2, 1, 0]
    return {
        "colour": dictionary(words, pa.int8(), indices),
        "unsigned_index": dictionary(words, pa.uint16(), indices),
        "wide_index": dictionary(words, pa.int64(), indices),
        "of_numbers": dictionary(pa.array([1.5, float("nan"), None]), pa.int32(), indices),
        "of_large_text": dictionary(words.cast(pa.large_string()), pa.int32(), indices),
        "of_lists": dictionary(
            pa.array([[1], [], None], pa.list_(pa.int32())), pa.int32(), indices
        ),
        "ordered": pa.DictionaryArray.from_arrays(
            pa.array(indices, pa.int8()), words, ordered=True
        ),
    }


def nested_dictionaries(batch: int) -> dict[str, pa.Array]:
    words = pa.array(["red", "green", "blue"])
    inner = dictionary(words, pa.int8(), [0, 1, None, 2, 1, 0])
    starts = pa.array([0, 2, 2, 3, 4, 5, 6], pa.int32())
    lists = pa.ListArray.from_arrays(starts, inner)
    return {
        "list_of_dictionary": lists,
        "struct_of_dictionary": pa.StructArray.from_arrays([inner, inner], ["a", "b"]),
        "dictionary_of_struct_of_dictionary": dictionary(
            pa.StructArray.from_arrays([inner], ["a"]), pa.int16(), [5, 4, 3, None, 1, batch]
        ),
        "dictionary_of_list_of_dictionary": dictionary(lists, pa.int8(), [0, 1, 2, 3, None, batch]),
    }


def growing(batch: int) -> dict[str, pa.Array]:
    """A dictionary that each batch extends, so that a writer may send only what is new."""
    words = pa.array([f"word {i}" for i in range(3 + 2 * batch)])
    return {"word": dictionary(words, pa.int32(), [0, len(words) - 1, None, batch, 1, 2])}


def changing(batch: int) -> dict[str, pa.Array]:
    """A dictionary that each batch replaces."""
    words = pa.array([f"word {i} of batch {batch}" for i in range(3 + batch)])
    return {"word": dictionary(words, pa.int32(), [0, len(words) - 1, None, 2, 1, 2])}


def whole_blocks(batch: int) -> dict[str, pa.Array]:
    """Buffers of multiples of 64 bytes: where the body is aligned, so is each buffer."""
    ids = np.arange(batch * 64, (batch + 1) * 64)
    return {
        "id64": pa.array(ids),
        "half": pa.array(ids / 2),
        "small": pa.array(ids.astype(np.int16)),
    }


def described(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The batches with custom metadata on the schema and on one field."""
    schema = batches[0].schema
    first = schema.field(0).with_metadata({"unit": "rows", "note": "é"})
    schema = schema.set(0, first).with_metadata(
        {"origin": "elsewhere", "empty": "", "bytes": b"\x00\xff"}
    )
    return [pa.record_batch(batch.columns, schema=schema) for batch in batches]


def noted(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The same with metadata that is text."""
    schema = batches[0].schema
    first = schema.field(0).with_metadata({"unit": "rows", "note": "é"})
    schema = schema.set(0, first).with_metadata({"origin": "elsewhere", "empty": ""})
    return [pa.record_batch(batch.columns, schema=schema) for batch in batches]


def extensions(batch: int) -> dict[str, pa.Array]:
    """Arrow's own extension types."""
    ids = pa.array([bytes([batch, i] * 8) if i != 2 else None for i in range(ROWS)], pa.binary(16))
    texts = pa.array([f'{{"row": {i}}}' if i != 2 else None for i in range(ROWS)])
    return {
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), ids),
        "json": pa.ExtensionArray.from_storage(pa.json_(), texts),
        "bool8": pa.ExtensionArray.from_storage(
            pa.bool8(), pa.array([i % 2 for i in range(ROWS)], pa.int8())
        ),
    }


def nullability(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    schema = pa.schema([f.with_nullable(False) for f in batches[0].schema])
    return [pa.record_batch(batch.columns, schema=schema) for batch in batches]


def mixed(values: list[list[Any]], kind: pa.DataType) -> list[pa.RecordBatch]:
    """Batches in each of which the partition column holds several values."""
    return [
        pa.record_batch({**numbered(i), FIELD: pa.array(column, kind)})
        for i, column in enumerate(values)
    ]


def partition_cases() -> list[Case]:
    day = datetime.date
    kinds: dict[str, tuple[pa.DataType, list[Any]]] = {
        "int8": (pa.int8(), [3, 3, 1, 1]),
        "uint8": (pa.uint8(), [200, 200, 0, 7]),
        "int32": (pa.int32(), [5, 5, 2, 2]),
        "uint32": (pa.uint32(), [2**32 - 1, 0, 1, 1]),
        "int64": (pa.int64(), [1, 1, 0, 0]),
        "negative_int": (pa.int32(), [-1, -1, -7, 4]),
        "int64_beyond_u32": (pa.int64(), [2**40, 2**40, 1, 2]),
        "date32": (
            pa.date32(),
            [day(2024, 2, 29), day(2024, 2, 29), day(1969, 1, 1), day(2025, 1, 1)],
        ),
        "date64": (
            pa.date64(),
            [day(2024, 2, 29), day(2024, 3, 1), day(2024, 3, 1), day(2025, 1, 1)],
        ),
        "string": (pa.string(), ["north", "north", "south é", "a/b c"]),
        "large_string": (pa.large_string(), ["north", "north", "south", "west"]),
        "string_view": (
            pa.string_view(),
            ["north", "north", "south", "a rather long partition value"],
        ),
        "null_value": (pa.int32(), [0, 0, None, 1]),
        "unordered_again": (pa.int32(), [0, 1, 0, 1]),
    }
    cases = [
        Case(f"partition_{name}", ["partition", name], with_partition(numbered, values, kind))
        for name, (kind, values) in kinds.items()
    ]
    words = pa.array(["north", "south", "west"])
    by_word = [
        pa.record_batch({**numbered(i), FIELD: dictionary(words, pa.int8(), [word] * ROWS)})
        for i, word in enumerate([1, 1, 0, 2])
    ]
    cases += [
        Case("partition_dictionary_of_string", ["partition", "dictionary"], by_word),
        Case(
            "partition_none",
            ["partition", "no_partition_column"],
            [pa.record_batch(numbered(i)) for i in range(4)],
        ),
        Case(
            "partition_mixed_int32",
            ["partition", "mixed"],
            mixed([[0, 0, 1, 1, 2, 2], [2, 1, 0, 2, 1, 0], [1] * 6], pa.int32()),
            mixed_partitions=True,
        ),
        Case(
            "partition_mixed_string",
            ["partition", "mixed"],
            mixed(
                [["b", "a", "b", "a", "b", "a"], ["c"] * 6, ["a", "c", "c", "c", "c", "b"]],
                pa.string(),
            ),
            mixed_partitions=True,
        ),
    ]
    return cases


def type_cases() -> list[Case]:
    integers = {
        str(k): k
        for k in (
            pa.int8(),
            pa.int16(),
            pa.int32(),
            pa.int64(),
            pa.uint8(),
            pa.uint16(),
            pa.uint32(),
            pa.uint64(),
        )
    }
    units = ("s", "ms", "us", "ns")
    makers: dict[str, Callable[[int], dict[str, pa.Array]]] = {
        "integers": of_types(integers, lambda batch: [batch + i for i in range(ROWS)]),
        "floats": floats,
        "booleans": of_types(
            {"bool": pa.bool_()}, lambda batch: [(batch + i) % 3 == 0 for i in range(ROWS)]
        ),
        "dates": of_types({"date32": pa.date32(), "date64": pa.date64()}, dates),
        "timestamps": of_types({f"timestamp_{u}": pa.timestamp(u) for u in units}, instants),
        "timestamps_zoned": of_types(
            {
                f"{zone}_{u}": pa.timestamp(u, zone)
                for u in units
                for zone in ("UTC", "Europe/Paris", "+05:30")
            },
            zoned,
        ),
        "times": of_types(
            {
                "time32_s": pa.time32("s"),
                "time32_ms": pa.time32("ms"),
                "time64_us": pa.time64("us"),
                "time64_ns": pa.time64("ns"),
            },
            times,
        ),
        "durations": of_types({f"duration_{u}": pa.duration(u) for u in units}, spans),
        "intervals": intervals,
        "decimals": decimals,
        "binaries": binaries,
        "nested": nested,
        "views": views,
        "unions": unions,
        "run_end_encoded": run_ends,
        "extension_types": extensions,
        "null_type": lambda batch: {"nothing": pa.nulls(ROWS), **numbered(batch)},
        "all_null": lambda batch: {
            name: pa.nulls(ROWS, column.type) for name, column in nested(batch).items()
        },
        "dictionaries": several_dictionaries,
        "dictionaries_nested": nested_dictionaries,
    }
    return [Case(name, [name], with_partition(make)) for name, make in makers.items()]


def shape_cases() -> list[Case]:
    plain = with_partition(numbered)
    long = with_partition(lambda batch: {**numbered(batch, 500), **{"zero": pa.array([0] * 500)}})
    no_columns = pa.RecordBatch.from_struct_array(pa.array([{}] * 3, pa.struct([])))
    fixed = with_partition(several_dictionaries)
    rows_0_and_more = [plain[0], plain[1].slice(0, 0), plain[2], plain[3].slice(0, 0)]
    cases = [
        Case("plain", [], plain),
        Case("one_batch", [], plain[:1]),
        Case("one_row", [], [batch.slice(0, 1) for batch in plain]),
        Case("no_batches", ["no_batches"], [], write={"schema": plain[0].schema}),
        Case("zero_row_batches", ["zero_rows"], rows_0_and_more),
        Case("zero_columns", ["zero_columns", "no_partition_column"], [no_columns] * 3),
        Case("sliced", ["offsets"], [batch.slice(2, 3) for batch in with_partition(nested)]),
        Case("metadata", ["schema_metadata", "field_metadata"], described(plain)),
        Case("metadata_text", ["schema_metadata", "field_metadata"], noted(plain)),
        Case("not_nullable", ["not_nullable"], nullability(plain)),
        Case("same_column_name_twice", ["duplicate_names"], [twice(batch) for batch in plain]),
        Case(
            "metadata_v4",
            ["metadata_v4"],
            plain,
            write={"metadata_version": ipc.MetadataVersion.V4},
        ),
        Case(
            "metadata_v4_legacy_framing",
            ["metadata_v4", "legacy_framing"],
            plain,
            write={"metadata_version": ipc.MetadataVersion.V4, "use_legacy_format": True},
        ),
        Case(
            "metadata_v4_dictionaries",
            ["metadata_v4", "dictionaries"],
            fixed,
            write={"metadata_version": ipc.MetadataVersion.V4},
        ),
        Case(
            "dictionary_deltas",
            ["dictionaries", "delta_dictionaries"],
            with_partition(growing),
            write={"emit_dictionary_deltas": True},
        ),
        Case(
            "dictionary_unified",
            ["dictionaries"],
            with_partition(changing),
            kinds=("file",),
            write={"unify_dictionaries": True},
        ),
        Case(
            "dictionary_replacement",
            ["dictionaries", "dictionary_replacement"],
            with_partition(changing),
            kinds=("stream",),
        ),
        Case(
            "dictionary_growing_replacement",
            ["dictionaries", "dictionary_replacement"],
            with_partition(growing),
            kinds=("stream",),
        ),
        Case(
            "alignment_64",
            ["alignment_64"],
            with_partition(whole_blocks),
            kinds=("stream",),
            align=64,
        ),
    ]
    for codec in ("lz4", "zstd"):
        cases += [
            Case(f"compression_{codec}", ["compression", codec], long, compression=codec),
            Case(f"compression_{codec}_tiny", ["compression", codec], plain, compression=codec),
            Case(
                f"compression_{codec}_dictionaries",
                ["compression", codec, "dictionaries"],
                fixed,
                compression=codec,
            ),
            Case(
                f"compression_{codec}_nested",
                ["compression", codec, "nested"],
                with_partition(nested),
                compression=codec,
            ),
            Case(
                f"compression_{codec}_deltas",
                ["compression", codec, "dictionaries", "delta_dictionaries"],
                with_partition(growing),
                compression=codec,
                write={"emit_dictionary_deltas": True},
            ),
        ]
    return cases


def twice(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [*batch.columns, batch.column(0)], [*batch.schema.names, batch.schema.names[0]]
    )


def realigned(stream: bytes, alignment: int) -> bytes:
    """The stream with every message's metadata and body padded to `alignment`."""
    source = pa.BufferReader(stream)
    parts = []
    while True:
        try:
            parts.append(ipc.read_message(source).serialize(alignment=alignment).to_pybytes())
        except EOFError:
            return b"".join(parts) + b"\xff\xff\xff\xff\x00\x00\x00\x00"


def written(case: Case, kind: str, folder: Path) -> Entry:
    options = dict(case.write)
    schema = options.pop("schema", None) or case.batches[0].schema
    path = folder / f"{case.name}.{'arrow' if kind == 'file' else 'arrows'}"
    create = ipc.new_file if kind == "file" else ipc.new_stream
    with create(
        str(path), schema, options=ipc.IpcWriteOptions(compression=case.compression, **options)
    ) as writer:
        if options.get("unify_dictionaries"):  # which pyarrow does for whole tables only
            writer.write_table(pa.Table.from_batches(case.batches))
        else:
            for batch in case.batches:
                writer.write_batch(batch)
    if case.align != 8:
        path.write_bytes(realigned(path.read_bytes(), case.align))
    return Entry(
        file=path.name,
        kind=kind,
        features=case.features,
        rows=sum(batch.num_rows for batch in case.batches),
        batches=len(case.batches),
        partition_column=FIELD if FIELD in schema.names else None,
        mixed_partitions=case.mixed_partitions,
    )


def judge() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out_dir", type=Path)
    folder = parser.parse_args().out_dir
    folder.mkdir(parents=True, exist_ok=True)
    cases = [*shape_cases(), *type_cases(), *partition_cases()]
    entries = [written(case, kind, folder) for case in cases for kind in case.kinds]
    (folder / "index.json").write_text(json.dumps([asdict(entry) for entry in entries], indent=1))
    return {"files": len(entries)}


if __name__ == "__main__":
    main(judge)
