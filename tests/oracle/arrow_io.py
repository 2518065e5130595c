"""What the oracles share: opening files and streams, the key format, and the one-line result."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc

FILE_MAGIC = b"ARROW1"
CODECS = {0: "lz4", 1: "zstd"}


class Judged(Exception):
    """The input is not what it should be; the message says why."""


def main(judge: Callable[[], dict[str, Any]]) -> None:
    """Prints what `judge` found as one JSON line, or its objection and exit status 1."""
    try:
        print(json.dumps(judge(), default=str))
    except (Judged, pa.ArrowException, OSError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


def chunk_key(prefix: str, partition: int, batch: int) -> str:
    return f"{prefix}:{{part={partition:05d}}}:batch={batch:05d}"


def is_file(path: str | Path) -> bool:
    with open(path, "rb") as source:
        return source.read(len(FILE_MAGIC)) == FILE_MAGIC


def read_batches(path: str | Path) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    """Every batch of an IPC file or stream, told apart by the magic."""
    source = pa.memory_map(str(path))
    if is_file(path):
        reader = ipc.open_file(source)
        return reader.schema, [reader.get_batch(i) for i in range(reader.num_record_batches)]
    reader = ipc.open_stream(source)
    return reader.schema, list(reader)


def messages(data: pa.Buffer, start: int = 0) -> Iterator[tuple[int, pa.ipc.Message]]:
    """The messages from `start` to the end-of-stream marker, each with the offset of its body."""
    source = pa.BufferReader(data)
    source.seek(start)
    while True:
        try:
            message = ipc.read_message(source)
        except EOFError:
            return
        body_bytes = len(message.body) if message.body is not None else 0
        yield source.tell() - body_bytes, message


def _table_field(data: memoryview, table: int, index: int) -> int | None:
    """Where field `index` of the flatbuffers table at `table` lies, or None if it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    slot = 4 + 2 * index
    if slot >= struct.unpack_from("<H", data, vtable)[0]:
        return None
    offset = struct.unpack_from("<H", data, vtable + slot)[0]
    return table + offset if offset else None


def _follow(data: memoryview, position: int) -> int:
    return position + struct.unpack_from("<I", data, position)[0]


def body_compression(message: pa.ipc.Message) -> str:
    """The codec that a record-batch message names for its body (Message.fbs: `BodyCompression`)."""
    data = memoryview(message.metadata)
    header = _table_field(data, _follow(data, 0), 2)
    assert header is not None
    compression = _table_field(data, _follow(data, header), 3)
    if compression is None:
        return "uncompressed"
    codec = _table_field(data, _follow(data, compression), 0)
    return CODECS[0 if codec is None else data[codec]]
