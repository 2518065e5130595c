"""Reads partitions from Redis into a pyarrow Table with redis-py's asyncio client, hiredis and uvloop.

The client as its documentation suggests it: a few connections, GETs gathered under a
semaphore, each value opened by a thread pool with the interpreter lock released while the loop
receives the next. All batches are kept, in order.

Why it cannot be faster: the loop receives through StreamReader, which copies each value once more
than the blocking client of read_redis.py does, under the interpreter lock. Measured and not faster:
MGET of 2 and 8; 1 and 2 connections; parts of 512 KiB and 1 MiB by GETRANGE, which have to be joined.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.ipc as ipc
import redis.asyncio as redis
import uvloop
from common import Outcome, arguments, chosen, chunk_key, included_fields, report


def decode(payload: bytes, columns: str | None) -> tuple[pa.RecordBatch, int]:
    fields = included_fields(ipc.read_schema(pa.py_buffer(payload)), columns) if columns else None
    options = ipc.IpcReadOptions(use_threads=False, included_fields=fields)
    with ipc.open_stream(pa.py_buffer(payload), options=options) as stream:
        return stream.read_next_batch(), len(payload)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--pipeline", type=int, default=1, help="keys of one MGET")
    parser.add_argument("--total-partitions", type=int, default=8)
    options = parser.parse_args()

    async def read(pool: ThreadPoolExecutor) -> Outcome:
        client = redis.Redis.from_url(options.redis_url, max_connections=options.connections)
        loop = asyncio.get_running_loop()
        turn = asyncio.Semaphore(options.connections)
        wanted = chosen(options.partitions) or list(range(options.total_partitions))
        keys = [chunk_key(options.prefix, p, b) for p in wanted for b in range(options.batches)]

        async def fetch(part: list[str]) -> list[tuple[pa.RecordBatch, int]]:
            async with turn:
                payloads = await client.mget(part)
            decoding = [
                loop.run_in_executor(pool, decode, payload, options.columns) for payload in payloads
            ]
            return await asyncio.gather(*decoding)

        parts = [keys[i : i + options.pipeline] for i in range(0, len(keys), options.pipeline)]
        results = [one for part in await asyncio.gather(*map(fetch, parts)) for one in part]
        await client.aclose()
        table = pa.Table.from_batches([batch for batch, _ in results])
        return Outcome(table.num_rows, len(results), sum(size for _, size in results))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        report("read_redis_asyncio", options.repeat, lambda: uvloop.run(read(pool)))


if __name__ == "__main__":
    main()
