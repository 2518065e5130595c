"""read_dataset.py REDIS_URL PREFIX OUT_FILE: reads chunks by hand, as another program would.

Finds them by SCAN, ignores the manifest, and writes an IPC file ordered by partition and batch.
"""

from __future__ import annotations

import argparse
import re
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import redis
from arrow_io import Judged, main


def found_chunks(client: redis.Redis, prefix: str) -> dict[tuple[int, int], bytes]:
    """Every chunk's key by (partition, batch)."""
    pattern = re.compile(re.escape(prefix.encode()) + rb":\{part=(\d{5,})\}:batch=(\d{5,})")
    keys = client.scan_iter(match=f"{prefix}:{{part=*", count=1000)
    matches = (pattern.fullmatch(key) for key in keys)
    return {(int(m[1]), int(m[2])): m[0] for m in matches if m}


def write(path: str, batches: list[pa.RecordBatch], options: ipc.IpcWriteOptions) -> None:
    with ipc.new_file(path, batches[0].schema, options=options) as writer:
        writer.write_table(pa.Table.from_batches(batches))


def judge() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("redis_url")
    parser.add_argument("prefix")
    parser.add_argument("out_file")
    parser.add_argument("--partitions", default="all", help="0,1,2 or all")
    parser.add_argument("--compression", choices=["zstd", "lz4", "uncompressed"], default="zstd")
    options = parser.parse_args()
    batches: list[pa.RecordBatch] = []
    with redis.Redis.from_url(options.redis_url) as client:
        chunks = found_chunks(client, options.prefix)
        if options.partitions != "all":
            wanted = {int(part) for part in options.partitions.split(",")}
            chunks = {place: key for place, key in chunks.items() if place[0] in wanted}
        if not chunks:
            raise Judged(f"no chunk under {options.prefix!r}")
        for place in sorted(chunks):
            found = list(ipc.open_stream(client.get(chunks[place])))
            if len(found) != 1:
                raise Judged(f"chunk {place} holds {len(found)} record batches")
            batches += found
    codec = None if options.compression == "uncompressed" else options.compression
    try:
        write(options.out_file, batches, ipc.IpcWriteOptions(compression=codec))
    except pa.ArrowInvalid:
        # Chunks may carry different dictionaries, for which a file has no room.
        unify = ipc.IpcWriteOptions(compression=codec, unify_dictionaries=True)
        write(options.out_file, batches, unify)
    return {
        "rows": sum(batch.num_rows for batch in batches),
        "chunks": len(batches),
        "partitions": sorted({partition for partition, _ in chunks}),
    }


if __name__ == "__main__":
    main(judge)
