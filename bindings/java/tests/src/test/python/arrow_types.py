"""Every Arrow type in every shape, and the judge of what Java made of them.

    arrow_types.py make FOLDER     one IPC file per cell: cells/TYPE.SHAPE.arrow
    arrow_types.py judge FOLDER    what differs, cell by cell: the chunks that were stored, and what arrow-java
                             held after reading them (java/TYPE.SHAPE.arrows) and published (key w:…)

A type of pyarrow that no column here has is an error.
"""

from __future__ import annotations

import decimal
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc

Numbers = list[int | None]
N = 8
SHAPES: dict[str, Numbers] = {
    "no_nulls": list(range(N)),
    "nulls": [None if i % 3 == 1 else i for i in range(N)],
    "all_null": [None] * N,
    "empty": [],
    "sliced": [None if i % 3 == 1 else i for i in range(N + 4)],
}


class Tagged(pa.ExtensionType):
    def __init__(self) -> None:
        super().__init__(pa.int32(), "arrowredis.tagged")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"tag"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Tagged:
        return cls()


pa.register_extension_type(Tagged())


def plain(data_type: pa.DataType, value: Callable[[int], object]) -> Callable[[Numbers], pa.Array]:
    return lambda numbers: pa.array([None if i is None else value(i) for i in numbers], data_type)


def word(i: int) -> str:
    return ["", "a", "ä€", "longer than twelve bytes", "\0"][i % 5] + str(i)


def some(i: int) -> list[int | None]:
    return [None if k == 1 else i + k for k in range(i % 4)]


def decimals(digits: int) -> Callable[[int], decimal.Decimal]:
    return lambda i: decimal.Decimal((-1) ** i * (i + 10 ** (digits - 1))).scaleb(-2)


def as_type(
    data_type: pa.DataType, of: Callable[[Numbers], pa.Array]
) -> Callable[[Numbers], pa.Array]:
    return lambda numbers: of(numbers).cast(data_type)


def sparse_union(numbers: Numbers) -> pa.Array:
    children = [plain(pa.int64(), int)(numbers), plain(pa.string(), word)(numbers)]
    types = pa.array([k % 2 for k in range(len(numbers))], pa.int8())
    return pa.UnionArray.from_sparse(types, children, ["i", "t"])


def dense_union(gap: int) -> Callable[[Numbers], pa.Array]:
    """Values of two types in turn; the children begin with so many values that no row has."""

    def make(numbers: Numbers) -> pa.Array:
        unused: Numbers = [99] * gap
        ints, texts = (
            plain(pa.int64(), int)(unused + numbers[::2]),
            plain(pa.string(), word)(unused + numbers[1::2]),
        )
        types = pa.array([k % 2 for k in range(len(numbers))], pa.int8())
        offsets = pa.array([k // 2 + gap for k in range(len(numbers))], pa.int32())
        return pa.UnionArray.from_dense(types, offsets, [ints, texts], ["i", "t"])

    return make


def run_end_encoded(numbers: Numbers) -> pa.Array:
    values = plain(pa.string(), word)(numbers[::2])
    ends = pa.array([min(2 * (k + 1), len(numbers)) for k in range(len(values))], pa.int32())
    return pa.RunEndEncodedArray.from_arrays(ends, values)


def list_view(data_type: pa.DataType, offset: pa.DataType) -> Callable[[Numbers], pa.Array]:
    def make(numbers: Numbers) -> pa.Array:
        offsets = pa.array([0 if i is None else i for i in numbers], offset)
        sizes = pa.array([0 if i is None else i % 3 for i in numbers], offset)
        valid = pa.array([i is None for i in numbers], pa.bool_())
        return type_class(data_type).from_arrays(
            offsets, sizes, pa.array(range(20), pa.int32()), mask=valid
        )

    def type_class(data_type: pa.DataType) -> type:
        return pa.ListViewArray if data_type == pa.list_view(pa.int32()) else pa.LargeListViewArray

    return make


def dictionary(
    index: pa.DataType, value: pa.DataType, of: Callable[[int], object]
) -> Callable[[Numbers], pa.Array]:
    def make(numbers: Numbers) -> pa.Array:
        indices = pa.array([None if i is None else i % 3 for i in numbers], index)
        return pa.DictionaryArray.from_arrays(indices, pa.array([of(0), of(1), of(2)], value))

    return make


COLUMNS: dict[str, Callable[[Numbers], pa.Array]] = {
    "null": lambda numbers: pa.nulls(len(numbers)),
    "bool": plain(pa.bool_(), lambda i: i % 2 == 0),
    **{
        f"int{bits}": plain(getattr(pa, f"int{bits}")(), lambda i: i - 4)
        for bits in (8, 16, 32, 64)
    },
    **{
        f"uint{bits}": plain(getattr(pa, f"uint{bits}")(), lambda i, b=bits: 2**b - 1 - i)
        for bits in (8, 16, 32, 64)
    },
    "float16": as_type(pa.float16(), plain(pa.float32(), lambda i: i / 2)),
    "float32": plain(pa.float32(), lambda i: i / 4 - 1),
    "float64": plain(pa.float64(), lambda i: i / 8 - 0.5),
    "decimal32": plain(pa.decimal32(7, 2), decimals(7)),
    "decimal64": plain(pa.decimal64(16, 2), decimals(16)),
    "decimal128": plain(pa.decimal128(30, 2), decimals(30)),
    "decimal256": plain(pa.decimal256(60, 2), decimals(60)),
    "date32": plain(pa.date32(), lambda i: i * 1000),
    "date64": plain(pa.date64(), lambda i: i * 86_400_000),
    **{f"time32[{u}]": plain(pa.time32(u), lambda i: i * 1000) for u in ("s", "ms")},
    **{f"time64[{u}]": plain(pa.time64(u), lambda i: i * 10**6) for u in ("us", "ns")},
    **{
        f"timestamp[{u}]": plain(pa.timestamp(u), lambda i: i * 10**9)
        for u in ("s", "ms", "us", "ns")
    },
    "timestamp[us, zone]": plain(pa.timestamp("us", "Europe/Oslo"), lambda i: i * 10**9),
    **{
        f"duration[{u}]": plain(pa.duration(u), lambda i: i * 1001) for u in ("s", "ms", "us", "ns")
    },
    "month_day_nano": plain(pa.month_day_nano_interval(), lambda i: (i, -i, i * 10**9)),
    "binary": plain(pa.binary(), lambda i: word(i).encode()),
    "large_binary": plain(pa.large_binary(), lambda i: word(i).encode()),
    "binary_view": plain(pa.binary_view(), lambda i: word(i).encode()),
    "fixed_size_binary": plain(pa.binary(3), lambda i: bytes([i, 0, 255])),
    "string": plain(pa.string(), word),
    "large_string": plain(pa.large_string(), word),
    "string_view": plain(pa.string_view(), word),
    "list": plain(pa.list_(pa.int32()), some),
    "large_list": plain(pa.large_list(pa.int32()), some),
    "list_view": list_view(pa.list_view(pa.int32()), pa.int32()),
    "large_list_view": list_view(pa.large_list_view(pa.int32()), pa.int64()),
    "fixed_size_list": plain(pa.list_(pa.int32(), 2), lambda i: [i, None]),
    "struct": plain(
        pa.struct({"a": pa.int32(), "b": pa.string()}),
        lambda i: {"a": i, "b": None if i == 2 else word(i)},
    ),
    "map": plain(pa.map_(pa.string(), pa.int32()), lambda i: [(word(k), k) for k in range(i % 3)]),
    "sparse_union": sparse_union,
    "dense_union": dense_union(0),
    "dense_union, gaps": dense_union(2),
    "dictionary[int32, string]": dictionary(pa.int32(), pa.string(), word),
    "dictionary[int8, int64]": dictionary(pa.int8(), pa.int64(), int),
    "dictionary[uint16, string]": dictionary(pa.uint16(), pa.string(), word),
    "run_end_encoded": run_end_encoded,
    "extension": lambda numbers: pa.ExtensionArray.from_storage(
        Tagged(), plain(pa.int32(), int)(numbers)
    ),
    "list<struct<list>>": plain(
        pa.list_(pa.struct({"a": pa.list_(pa.string())})),
        lambda i: [{"a": [word(k) for k in some(i) if k]}, None],
    ),
}


def cell(name: str, shape: str) -> pa.RecordBatch:
    array = COLUMNS[name](SHAPES[shape])
    batch = pa.record_batch([array], names=["v"])
    return batch.slice(2, N) if shape == "sliced" else batch


def check_completeness() -> None:
    """Every type id that pyarrow has occurs in a column."""
    seen = {type_id for make in COLUMNS.values() for type_id in type_ids(make([0, 1]).type)}
    known = {name for name in dir(pa.lib) if name.startswith("Type_")}
    # Intervals that pyarrow names and cannot make.
    missing = {n for n in known if getattr(pa.lib, n) not in seen} - {
        "Type_INTERVAL_MONTHS",
        "Type_INTERVAL_DAY_TIME",
    }
    if missing:
        raise SystemExit(f"types of pyarrow without a column here: {sorted(missing)}")


def type_ids(data_type: pa.DataType) -> set[int]:
    fields = [data_type.field(i).type for i in range(data_type.num_fields)]
    return {data_type.id}.union(*(type_ids(field) for field in fields))


def make(folder: Path) -> None:
    check_completeness()
    (folder / "cells").mkdir()
    (folder / "java").mkdir()
    for name in COLUMNS:
        for shape in SHAPES:
            batch = cell(name, shape)
            with ipc.new_file(folder / "cells" / f"{name}.{shape}.arrow", batch.schema) as writer:
                writer.write_batch(batch)
    (folder / "types").write_text("\n".join(COLUMNS))


def stored(folder: Path, prefix: str, name: str) -> pa.Table:
    """A chunk, as the embedded store keeps it in a file of its own."""
    (chunk,) = (folder / "store").glob(f"*{prefix}-{name}*batch=00000")
    return ipc.open_stream(pa.memory_map(str(chunk))).read_all()


def difference(found: pa.Table, expected: pa.Table) -> str:
    if found.schema.types != expected.schema.types:
        return f"type {found.schema.types[0]} instead of {expected.schema.types[0]}"
    try:
        found.validate(full=True)
    except pa.ArrowInvalid as error:
        return str(error)
    if not found.equals(expected):
        return f"{found['v'].to_pylist()} instead of {expected['v'].to_pylist()}"
    return ""


def judge(folder: Path) -> None:
    for path in sorted((folder / "java").glob("*.arrows")):
        number, tested = path.stem.split(",", 1)
        name, shape = tested.rsplit(".", 1)
        source = pa.Table.from_batches([cell(name, shape)])
        chunk = stored(folder, "t", number)
        checks = {
            "stored": (chunk, source),
            "read": (ipc.open_stream(path.read_bytes()).read_all(), chunk),
        }
        if (folder / "java" / f"{number}.published").exists():
            rows = source.slice(1, N - 2) if shape == "sliced" else source
            checks["written"] = (stored(folder, "w", number), rows)
        for what, (found, expected) in checks.items():
            if told := difference(found, expected):
                print(f"{name}.{shape}\t{what}: {told}")


if __name__ == "__main__":
    {"make": make, "judge": judge}[sys.argv[1]](Path(sys.argv[2]))
