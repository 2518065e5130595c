"""c_stream.py LIBRARY memory|file|redis: what crosses the C interface equals what pyarrow has.

Calls the shared library through ctypes, with no other code in between: pyarrow imports the exported stream by
its C pointer, and exports its own. Compared are a generated dataset with the chunks that pyarrow reads itself,
and tables of many types, sliced and not, with what comes back from the store.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import decimal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import redis
from arrow_io import Judged, main
from compare import aligned, same

GENERATE, SPLIT, READ = 5, 4, 2


class Library:
    """The functions that are needed here, with errors as exceptions."""

    def __init__(self, path: str) -> None:
        self.c = ctypes.CDLL(path)
        self.c.arrowredis_error_message.restype = ctypes.c_char_p
        self.c.arrowredis_error_message.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self.c.arrowredis_live_handles.restype = ctypes.c_int64

    def call(self, name: str, *arguments: Any) -> None:
        error = ctypes.c_void_p()
        code = getattr(self.c, name)(*flat(arguments), ctypes.byref(error))
        if code:
            message = self.c.arrowredis_error_message(error, None)
            raise Judged(f"{name}: {code}: {message.decode()}")

    def make(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle

    def free(self, kind: str, *handles: ctypes.c_void_p) -> None:
        for handle in handles:
            getattr(self.c, f"arrowredis_{kind}_free")(handle)

    @contextmanager
    def options(self, kind: int, **values: Any) -> Iterator[ctypes.c_void_p]:
        options = self.make("arrowredis_options_new", ctypes.c_int32(kind))
        for key, value in values.items():
            self.call("arrowredis_options_set_string", options, key, str(value))
        yield options
        self.free("options", options)


def flat(arguments: tuple[Any, ...]) -> Iterator[Any]:
    """A text becomes pointer and length."""
    for argument in arguments:
        if isinstance(argument, str):
            data = argument.encode()
            yield from (ctypes.c_char_p(data), ctypes.c_size_t(len(data)))
        else:
            yield argument


def split(
    library: Library, store: ctypes.c_void_p, prefix: str, stream: Any, **values: Any
) -> None:
    none = [None, ctypes.c_size_t(0), None, ctypes.c_size_t(0)]
    with library.options(SPLIT, overwrite="on", **values) as options:
        library.call(
            "arrowredis_split_stream", store, prefix, ctypes.byref(stream), options, None, *none
        )


# An ArrowArrayStream is five pointers.
Stream = ctypes.c_void_p * 5


def read(library: Library, store: ctypes.c_void_p, prefix: str, **values: Any) -> pa.Table:
    """Reads through the exported stream, after everything else was freed."""
    dataset = library.make("arrowredis_dataset_open", store, prefix, None)
    with library.options(READ, **values) as options:
        reader = library.make("arrowredis_read", dataset, options, None)
    stream = Stream()
    library.call("arrowredis_reader_export", reader, ctypes.byref(stream))
    library.free("reader", reader)
    library.free("dataset", dataset)
    imported = pa.RecordBatchReader._import_from_c(ctypes.addressof(stream))
    table = imported.read_all()
    table.validate(full=True)
    imported.close()
    return table


def compare(name: str, ours: pa.Table, theirs: pa.Table) -> None:
    if not ours.schema.equals(theirs.schema, check_metadata=True):
        raise Judged(f"{name}: schemas differ:\n{ours.schema}\n--- and ---\n{theirs.schema}")
    if ours.num_rows != theirs.num_rows:
        raise Judged(f"{name}: {ours.num_rows} rows and {theirs.num_rows} rows")
    for row, left, right in aligned(ours.to_batches(), theirs.to_batches()):
        for column, x, y in zip(ours.schema.names, left.columns, right.columns, strict=True):
            if not same(x, y):
                raise Judged(f"{name}: column {column!r} differs in the rows from {row}")


def generated_dataset(library: Library, store: ctypes.c_void_p, url: str, folder: str) -> None:
    """Against the file that was generated, and the chunks in Redis, read by pyarrow."""
    path = f"{folder}/generated.arrow"
    with library.options(
        GENERATE, partitions=3, batches=4, rows=5000, dict_strings="on"
    ) as options:
        none = [None, ctypes.c_size_t(0)]
        library.call("arrowredis_generate_file", path, options, None, *none)
    for compression in ("zstd", "lz4", "none"):
        with library.options(SPLIT, compression=compression, overwrite="on") as options:
            none = [None, ctypes.c_size_t(0), None, ctypes.c_size_t(0)]
            library.call("arrowredis_split_file", store, "made", path, options, None, *none)
        with ipc.open_file(path) as file:
            theirs = file.read_all()
        ours = read(library, store, "made")
        compare(f"generated, {compression}", ours, theirs)
        two = read(library, store, "made", columns="float64_c,id64", partitions="2,1")
        compare("two columns", two, theirs.select(["float64_c", "id64"]).slice(20_000))
        if url.startswith("redis:"):
            compare("chunks", ours, chunks_of(url, "made").cast(ours.schema))


def chunks_of(url: str, prefix: str) -> pa.Table:
    with redis.Redis.from_url(url) as client:
        keys = sorted(client.scan_iter(match=f"{prefix}:{{part=*"))
        tables = [ipc.open_stream(client.get(key)).read_all() for key in keys]
    return pa.concat_tables(tables).unify_dictionaries()


def types() -> dict[str, pa.Array]:
    """Columns of 100 rows: every kind of layout, with nulls."""
    texts = [None if i % 7 == 0 else f"text {i}" * (i % 4) for i in range(100)]
    lists = [None if i % 5 == 0 else [i, None] * (i % 3) for i in range(100)]
    numbers = [None if i % 3 == 0 else i for i in range(100)]
    moment = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
    structs = [None if i % 6 == 0 else {"a": i, "b": texts[i]} for i in range(100)]
    columns: dict[str, pa.Array] = {
        "null": pa.nulls(100),
        "bool": pa.array([None if i % 9 == 0 else i % 2 == 0 for i in range(100)]),
        "float16": pa.array(numbers, pa.float32()).cast(pa.float16()),
        "date32": pa.array(numbers, pa.int32()).cast(pa.date32()),
        "timestamp": pa.array([moment] * 100, pa.timestamp("us", "Europe/Berlin")),
        "duration": pa.array(numbers, pa.duration("ns")),
        "decimal128": pa.array([decimal.Decimal(i) / 8 for i in range(100)], pa.decimal128(20, 5)),
        "decimal256": pa.array([decimal.Decimal(i) / 8 for i in range(100)], pa.decimal256(50, 5)),
        "fixed_binary": pa.array([b"%04d" % i for i in range(100)], pa.binary(4)),
        "fixed_list": pa.array([[i, i + 1] for i in range(100)], pa.list_(pa.int16(), 2)),
        "list": pa.array(lists, pa.list_(pa.int64())),
        "large_list": pa.array(lists, pa.large_list(pa.int8())),
        "struct": pa.array(structs),
        "map": pa.array(
            [[(str(i), i)] * (i % 3) for i in range(100)], pa.map_(pa.utf8(), pa.int32())
        ),
        "dictionary": pa.array(texts).dictionary_encode(),
        "list_of_dictionary": pa.ListArray.from_arrays(
            pa.array(range(101), pa.int32()), pa.array(texts).dictionary_encode()
        ),
    }
    columns |= {
        str(kind): pa.array(numbers, kind)
        for kind in (pa.int8(), pa.uint16(), pa.int32(), pa.uint64(), pa.float32(), pa.float64())
    }
    columns |= {
        str(kind): pa.array(texts, kind)
        for kind in (pa.utf8(), pa.large_utf8(), pa.binary(), pa.large_binary(), pa.string_view())
    }
    return columns


def tables_of_ours(library: Library, store: ctypes.c_void_p) -> int:
    """pyarrow's own tables to the store and back: whole, sliced, empty."""
    columns = types()
    metadata = {"who": "pyarrow", "empty": ""}
    whole = pa.table(columns).replace_schema_metadata(metadata)
    cases = {
        "whole": whole,
        "sliced": whole.slice(13, 50),
        "one row": whole.slice(99),
        "empty": whole.slice(0, 0),
    }
    for name, table in cases.items():
        table = table.append_column("partition", pa.array([7] * len(table), pa.int32()))
        stream = Stream()
        pa.RecordBatchReader.from_batches(table.schema, table.to_batches())._export_to_c(
            ctypes.addressof(stream)
        )
        split(library, store, "theirs", stream)
        if stream[3]:
            raise Judged(f"{name}: the stream was not moved")
        compare(name, read(library, store, "theirs"), table)
    return len(columns)


@contextmanager
def place(kind: str, folder: str) -> Iterator[str]:
    if kind != "redis":
        yield {"memory": "memory://oracle", "file": f"file://{folder}/store"}[kind]
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        url = f"redis://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    redis.Redis.from_url(url).ping()
                    break
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
            yield url
        finally:
            server.kill()


def judge() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("store", choices=["memory", "file", "redis"])
    options = parser.parse_args()
    library = Library(str(Path(options.library).absolute()))
    with tempfile.TemporaryDirectory() as folder, place(options.store, folder) as url:
        store = library.make("arrowredis_store_open", url, None)
        generated_dataset(library, store, url, folder)
        columns = tables_of_ours(library, store)
        library.free("store", store)
    if library.c.arrowredis_live_handles() != 0:
        raise Judged(f"{library.c.arrowredis_live_handles()} live handles at the end")
    return {"store": options.store, "columns": columns}


if __name__ == "__main__":
    main(judge)
