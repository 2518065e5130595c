"""Reads partitions from Redis into a pyarrow Table, as well as redis-py with hiredis can.

One connection keeps two GETs in flight, reads 1 MiB from the socket at a time, and hands every
value to a pool of as many threads as there are cores; each opens it in place and decompresses it
with the interpreter lock released. All batches are kept, in order.

Why it cannot be faster: hiredis copies each value out of its buffer into a bytes object under the
interpreter lock, so a second connection only takes turns with the first. With zstd and lz4 both
cores are busy decompressing; without compression decoding is free and that copy is the limit.
There half a megabyte at a time by GETRANGE, which the server copies within its cache, takes a tenth
less although the parts are joined (--part); with zstd and lz4, when a core is never idle, that takes
a quarter more. Measured and not faster: MGET of 2, 8 and 64, whose values arrive only when the last has (hiredis
builds the whole reply first); 2 to 4 connections, each decoding what it fetched; reads of 64 and
256 KiB; asyncio on uvloop with 1 to 4 connections (1.1 to 1.5 times the time); pyarrow's own
threads by column; other allocators and malloc thresholds. A protocol reader of one's own that
receives into Arrow buffers saves one copy and with zstd a tenth of the time, but is no longer a
Redis client.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
import redis
from common import Outcome, arguments, chosen, chunk_key, included_fields, report


def stored_partitions(client: redis.Redis, prefix: str) -> list[int]:
    """The partitions of which the store holds batch 0."""
    before = f"{prefix}:{{part="
    found = client.scan_iter(match=f"{before}*}}:batch=00000", count=10_000)
    return sorted(int(key.decode()[len(before) :].partition("}")[0]) for key in found)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--depth", type=int, default=2, help="GETs in flight, per connection")
    parser.add_argument("--decoders", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--part", type=int, default=0, help="bytes of one GETRANGE; 0: GET")
    parser.add_argument("--socket-read-size", type=int, default=1 << 20)
    parser.add_argument("--id64", help="LOW,HIGH: keep the rows whose id64 is in [LOW, HIGH)")
    options = parser.parse_args()
    limits = [int(limit) for limit in options.id64.split(",")] if options.id64 else None

    def read() -> Outcome:
        pool = redis.ConnectionPool.from_url(
            options.redis_url, socket_read_size=options.socket_read_size
        )
        wanted = chosen(options.partitions)
        if wanted is None:
            wanted = stored_partitions(redis.Redis(connection_pool=pool), options.prefix)
        keys = [chunk_key(options.prefix, p, b) for p in wanted for b in range(options.batches)]
        decoded: list[Future[tuple[pa.RecordBatch, int]] | None] = [None] * len(keys)
        reading = ipc.IpcReadOptions(use_threads=False)
        if options.columns:
            first = redis.Redis(connection_pool=pool).getrange(keys[0], 0, 1 << 16)
            fields = included_fields(ipc.read_schema(pa.py_buffer(first)), options.columns)
            reading = ipc.IpcReadOptions(use_threads=False, included_fields=fields)

        def commands(
            connection: redis.Connection, wanted: list[str]
        ) -> list[tuple[str | int, ...]]:
            if not options.part:
                return [("GET", key) for key in wanted]
            for key in wanted:
                connection.send_command("STRLEN", key)
            sizes = [connection.read_response() for _ in wanted]
            return [
                ("GETRANGE", key, start, start + options.part - 1)
                for key, size in zip(wanted, sizes, strict=True)
                for start in range(0, size, options.part)
            ]

        def decode(parts: list[bytes]) -> tuple[pa.RecordBatch, int]:
            payload = parts[0] if len(parts) == 1 else b"".join(parts)
            with ipc.open_stream(pa.py_buffer(payload), options=reading) as stream:
                batch = stream.read_next_batch()
            if limits is not None:
                ids = batch.column("id64")
                low, high = pc.greater_equal(ids, limits[0]), pc.less(ids, limits[1])
                batch = batch.filter(pc.and_(low, high))
            return batch, len(payload)

        def fetch(mine: list[int]) -> None:
            connection = pool.get_connection()
            asked = commands(connection, [keys[number] for number in mine])
            for command in asked[: options.depth]:
                connection.send_command(*command)
            numbers, parts = iter(mine), []
            for place, (_, key, *_) in enumerate(asked):
                parts.append(connection.read_response())
                if place + options.depth < len(asked):
                    connection.send_command(*asked[place + options.depth])
                if place + 1 == len(asked) or asked[place + 1][1] != key:
                    decoded[next(numbers)] = decoders.submit(decode, parts)
                    parts = []
            pool.release(connection)

        with (
            ThreadPoolExecutor(options.decoders) as decoders,
            ThreadPoolExecutor(options.connections) as fetchers,
        ):
            count = options.connections
            list(fetchers.map(fetch, [list(range(len(keys)))[k::count] for k in range(count)]))
            results = [future.result() for future in decoded if future is not None]
        pool.disconnect()
        table = pa.Table.from_batches([batch for batch, _ in results])
        return Outcome(table.num_rows, len(results), sum(size for _, size in results))

    report("read_redis", options.repeat, read)


if __name__ == "__main__":
    main()
