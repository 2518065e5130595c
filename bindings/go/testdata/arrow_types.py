"""arrow_types.py make DIR | judge DIR: the judge of the table of types, with pyarrow.

`make` writes TYPE.CASE.arrow for every Arrow type and case, an IPC file of one batch with the
columns `partition` (int32, 0) and `value`, and prints a JSON object: the types in order. It fails
when pyarrow has a type that CASES lacks. `judge` compares what Go wrote, TYPE.CASE.WAY.arrow, with
the original (of the case `sliced`, with rows 2 to 4 of it), and prints a JSON object of the files
and what is wrong with them; an empty text is right.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc

SLICE = slice(2, 5)
UTC = dt.timezone.utc
DAY = dt.date(2024, 2, 29)
MOMENT = dt.datetime(2024, 2, 29, 12, 34, 56)


class Celsius(pa.ExtensionType):
    """An extension type that nobody knows but by its metadata."""

    def __init__(self) -> None:
        super().__init__(pa.float64(), "arrowredis.celsius")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"unit=C"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Celsius:
        return cls()


pa.register_extension_type(Celsius())

INTEGERS = [1, 0, 7, 100, 3, 42]
TEXTS = ["a", "", "longer than twelve bytes, é", "b", "naïve", "longer than twelve bytes, too"]
LISTS = [[1, 2], [], [3], [4, 5, 6], [7], [8, 9]]
STRUCTS = [{"x": i, "y": t} for i, t in zip(INTEGERS, TEXTS, strict=True)]
TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "null": (pa.null(), [None] * 6),
    "bool": (pa.bool_(), [True, False, True, True, False, True]),
    **{
        f"{sign}int{bits}": (getattr(pa, f"{sign}int{bits}")(), INTEGERS)
        for bits in (8, 16, 32, 64)
        for sign in ("", "u")
    },
    **{
        name: (kind, [1.5, -0.0, float("inf"), 2.25, float("-inf"), 0.5])
        for name, kind in {
            "float16": pa.float16(),
            "float32": pa.float32(),
            "float64": pa.float64(),
        }.items()
    },
    **{
        f"decimal{bits}(9, 2)": (
            getattr(pa, f"decimal{bits}")(9, 2),
            [Decimal(n) / 100 for n in (1, -1, 999999999, 0, -999999999, 250)],
        )
        for bits in (32, 64, 128, 256)
    },
    "decimal128(38, -3)": (pa.decimal128(38, -3), [Decimal(n).scaleb(3) for n in INTEGERS]),
    "string": (pa.string(), TEXTS),
    "large_string": (pa.large_string(), TEXTS),
    "string_view": (pa.string_view(), TEXTS),
    "binary": (pa.binary(), [t.encode() for t in TEXTS]),
    "large_binary": (pa.large_binary(), [t.encode() for t in TEXTS]),
    "binary_view": (pa.binary_view(), [t.encode() for t in TEXTS]),
    "fixed_size_binary(3)": (
        pa.binary(3),
        [b"abc", b"\0\0\0", b"xyz", b"123", b"\xff\xfe\xfd", b"end"],
    ),
    "date32": (pa.date32(), [DAY + dt.timedelta(days=n) for n in INTEGERS]),
    "date64": (pa.date64(), [DAY + dt.timedelta(days=n) for n in INTEGERS]),
    "time32[s]": (pa.time32("s"), [dt.time(1, 2, n % 60) for n in INTEGERS]),
    "time32[ms]": (pa.time32("ms"), [dt.time(1, 2, 3, n * 1000) for n in INTEGERS]),
    "time64[us]": (pa.time64("us"), [dt.time(1, 2, 3, n) for n in INTEGERS]),
    "time64[ns]": (pa.time64("ns"), [dt.time(1, 2, 3, n) for n in INTEGERS]),
    **{
        f"timestamp[{unit}]": (
            pa.timestamp(unit),
            [MOMENT + dt.timedelta(seconds=n) for n in INTEGERS],
        )
        for unit in ("s", "ms", "us", "ns")
    },
    "timestamp[us, Europe/Zurich]": (
        pa.timestamp("us", "Europe/Zurich"),
        [MOMENT.replace(tzinfo=UTC) + dt.timedelta(seconds=n) for n in INTEGERS],
    ),
    **{
        f"duration[{unit}]": (pa.duration(unit), [dt.timedelta(seconds=n) for n in INTEGERS])
        for unit in ("s", "ms", "us", "ns")
    },
    "month_day_nano_interval": (
        pa.month_day_nano_interval(),
        [pa.MonthDayNano([n, -n, n * 1000]) for n in INTEGERS],
    ),
    "list<int32>": (pa.list_(pa.int32()), LISTS),
    "large_list<int32>": (pa.large_list(pa.int32()), LISTS),
    "list_view<int32>": (pa.list_view(pa.int32()), LISTS),
    "large_list_view<int32>": (pa.large_list_view(pa.int32()), LISTS),
    "fixed_size_list<int32>[2]": (pa.list_(pa.int32(), 2), [[n, -n] for n in INTEGERS]),
    "struct<int32, string>": (pa.struct({"x": pa.int32(), "y": pa.string()}), STRUCTS),
    "map<string, int32>": (
        pa.map_(pa.string(), pa.int32()),
        [[("a", 1)], [], [("b", 2), ("c", 3)], [("d", 4)], [("e", None)], []],
    ),
    "list<struct<int32, string>>": (
        pa.list_(pa.struct({"x": pa.int32(), "y": pa.string()})),
        [STRUCTS[:n] for n in range(6)],
    ),
    "dictionary<int32, string>": (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    "dictionary<int8, int64>": (pa.dictionary(pa.int8(), pa.int64()), INTEGERS),
    "dictionary<int32, string, ordered>": (
        pa.dictionary(pa.int32(), pa.string(), ordered=True),
        TEXTS,
    ),
    "extension<float64>": (Celsius(), [1.5, -0.0, 36.6, 2.25, -273.15, 0.5]),
}
# Types without an ordinary constructor from Python values; made by hand below.
BY_HAND = [
    "run_end_encoded<int32, string>",
    "sparse_union<int64, string>",
    "dense_union<int64, string>",
]
# What pyarrow has a number for, but neither a type nor arrays that a program could make.
NO_TYPE = {"INTERVAL_MONTHS", "INTERVAL_DAY_TIME"}
CASES = ["no nulls", "nulls", "all null", "empty", "sliced"]


def run_end_encoded(values: list[Any]) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(
        pa.array(range(1, len(values) + 1), pa.int32()), pa.array(values, pa.string())
    )


def union(mode: str, case: str) -> pa.Array:
    count = 0 if case == "empty" else 6
    numbers, texts = [*INTEGERS], [*TEXTS]
    if case in ("nulls", "sliced"):
        numbers[2] = texts[3] = None
    if case == "all null":
        numbers, texts = [None] * 6, [None] * 6
    children = [pa.array(numbers[:count], pa.int64()), pa.array(texts[:count], pa.string())]
    kinds = pa.array([0, 1, 0, 1, 0, 1][:count], pa.int8())
    if mode == "sparse":
        return pa.UnionArray.from_sparse(kinds, children)
    return pa.UnionArray.from_dense(kinds, pa.array(range(count), pa.int32()), children)


def array(name: str, case: str) -> pa.Array:
    if name.endswith("union<int64, string>"):
        return union(name.split("_")[0], case)
    kind, values = TYPES.get(name, (None, TEXTS))
    if case in ("nulls", "sliced"):
        values = [None if number in (0, 3) else value for number, value in enumerate(values)]
    elif case == "all null":
        values = [None] * 6
    elif case == "empty":
        values = []
    if kind is None:
        return run_end_encoded(values)
    if isinstance(kind, pa.ExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    if isinstance(kind, pa.DictionaryType):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def all_types() -> list[str]:
    return [*TYPES, *BY_HAND]


def check_complete() -> None:
    """Every type id of pyarrow occurs among the types, or is known to have no type."""
    ids = {getattr(pa.lib, name): name[5:] for name in dir(pa.lib) if name.startswith("Type_")}
    covered = {array(name, "empty").type.id for name in all_types()}
    missing = {name for number, name in ids.items() if number not in covered} - NO_TYPE
    if missing:
        raise SystemExit(f"pyarrow has types that the table lacks: {sorted(missing)}")


def batch_of(name: str, case: str) -> pa.RecordBatch:
    values = array(name, case)
    return pa.record_batch({"partition": pa.array([0] * len(values), pa.int32()), "value": values})


def make(folder: Path) -> None:
    check_complete()
    for number, name in enumerate(all_types()):
        for case in CASES:
            batch = batch_of(name, case)
            with ipc.new_file(folder / f"{number}.{case}.arrow", batch.schema) as writer:
                writer.write_batch(batch)
    print(json.dumps({"types": all_types(), "cases": CASES}))


def difference(name: str, case: str, path: Path) -> str:
    expected = pa.Table.from_batches([batch_of(name, case)])
    if case == "sliced":
        expected = expected.slice(SLICE.start, SLICE.stop - SLICE.start)
    with ipc.open_file(path) as reader:
        found = reader.read_all()
    found.validate(full=True)
    kinds = expected.schema.field("value").type, found.schema.field("value").type
    if kinds[0] != kinds[1]:
        return f"{kinds[0]} became {kinds[1]}"
    left, right = expected["value"].to_pylist(), found["value"].to_pylist()
    # Values are compared as texts, so that -0.0 and 0.0 differ and NaN equals itself.
    return "" if list(map(repr, left)) == list(map(repr, right)) else f"{left} became {right}"


def judge(folder: Path) -> None:
    found = {}
    for path in sorted(folder.glob("*.*.*.arrow")):
        number, case, _, _ = path.name.split(".")
        found[path.name] = difference(all_types()[int(number)], case, path)
    print(json.dumps(found))


if __name__ == "__main__":
    {"make": make, "judge": judge}[sys.argv[1]](Path(sys.argv[2]))
