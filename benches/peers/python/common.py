"""What the Python peers share: command line, key format, the walk over a file, the report."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.ipc as ipc

END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
FILE_START = 8  # the magic, padded


@dataclass
class Outcome:
    """What one repeat of a job moved."""

    rows: int
    chunks: int
    payload_bytes: int


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--file")
    parser.add_argument("--redis-url", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--prefix", default="bench")
    parser.add_argument("--partitions", default="all", help="0,1,2 or all")
    parser.add_argument("--batches", type=int, default=16, help="per partition")
    parser.add_argument("--columns", help="a,b; all unless given")
    parser.add_argument("--repeat", type=int, default=1)
    return parser


def report(job: str, repeat: int, work: Callable[[], Outcome]) -> None:
    """Runs the job `repeat` times and prints a JSON line for each."""
    for _ in range(repeat):
        start = time.perf_counter()
        outcome = work()
        seconds = time.perf_counter() - start
        print(json.dumps({"job": job, **asdict(outcome), "total_seconds": seconds}), flush=True)


def chunk_key(prefix: str, partition: int, batch: int) -> str:
    return f"{prefix}:{{part={partition:05d}}}:batch={batch:05d}"


def chosen(partitions: str) -> list[int] | None:
    """The listed partitions, or None for all."""
    return None if partitions == "all" else [int(part) for part in partitions.split(",")]


def included_fields(schema: pa.Schema, columns: str | None) -> list[int] | None:
    return [schema.names.index(name) for name in columns.split(",")] if columns else None


def file_messages(data: pa.Buffer) -> tuple[bytes, list[memoryview]]:
    """A mapped IPC file's schema and dictionary messages, and its record-batch messages."""
    source = pa.BufferReader(data)
    source.seek(FILE_START)
    view = memoryview(data)
    head, batches = [], []
    start = FILE_START
    while True:
        try:
            message = ipc.read_message(source)
        except EOFError:
            return b"".join(head), batches
        stop = source.tell()
        (batches if message.type == "record batch" else head).append(view[start:stop])
        start = stop


def file_rows(path: str) -> int:
    """How many rows an IPC file holds. Jobs that never look at rows ask before the clock starts."""
    reader = ipc.open_file(pa.memory_map(path), options=ipc.IpcReadOptions(included_fields=[0]))
    return sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
