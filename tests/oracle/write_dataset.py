"""write_dataset.py REDIS_URL PREFIX FILE: publishes an IPC file as another program would, by hand.

Each batch becomes one key, PREFIX:{part=P}:batch=B, whose value is a stream of that batch alone. P
is the batch's value in the partition column, or, if given, its number divided by --batches. There
is no manifest.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import redis
from arrow_io import Judged, chunk_key, main, read_batches


def partition_of(batch: pa.RecordBatch, number: int, column: str, batches: int | None) -> int:
    if batches is not None:
        return number // batches
    if column in batch.schema.names:
        values = batch.column(column).unique().to_pylist()
        if len(values) == 1 and isinstance(values[0], int) and values[0] >= 0:
            return values[0]
        raise Judged(f"batch {number}: {column} holds {values}, not one integer from 0 on")
    raise Judged(f"no column {column!r}: give --batches")


def judge() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("redis_url")
    parser.add_argument("prefix")
    parser.add_argument("file")
    parser.add_argument("--compression", choices=["zstd", "lz4", "uncompressed"], default="zstd")
    parser.add_argument("--partition-column", default="partition")
    parser.add_argument("--batches", type=int)
    options = parser.parse_args()
    codec = None if options.compression == "uncompressed" else options.compression
    schema, batches = read_batches(options.file)
    seen: Counter[int] = Counter()
    payload_bytes = 0
    with redis.Redis.from_url(options.redis_url) as client:
        for number, batch in enumerate(batches):
            partition = partition_of(batch, number, options.partition_column, options.batches)
            sink = pa.BufferOutputStream()
            with ipc.new_stream(sink, schema, options=ipc.IpcWriteOptions(compression=codec)) as w:
                w.write_batch(batch)
            payload = sink.getvalue()
            client.set(chunk_key(options.prefix, partition, seen[partition]), memoryview(payload))
            seen[partition] += 1
            payload_bytes += len(payload)
    rows = sum(batch.num_rows for batch in batches)
    return {
        "rows": rows,
        "chunks": len(batches),
        "partitions": dict(seen),
        "payload_bytes": payload_bytes,
    }


if __name__ == "__main__":
    main(judge)
