"""Splits an IPC file into Redis by decoding and re-encoding each batch, as well as pyarrow can.

As many threads as there are cores each take the next batch of the mapped file, decompress it,
write it as a stream of its own into a buffer, and send that buffer over a connection of their
own. pyarrow gives up the interpreter lock while it compresses and decompresses, redis-py while it
sends.

Why it cannot be faster: zstd (level 1, pyarrow's default) keeps all cores busy for almost the
whole time, and every other copy has been taken out: no join of the payload, which redis-py sends
as a buffer among others, and no growth of the buffer, which has room for the batch uncompressed.
Measured, and the same within noise: a thread more than there are cores, pyarrow's own threads by
column, alone or besides, a separate sender, asyncio on uvloop with an executor, a growing sink.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.ipc as ipc
import redis
from common import Outcome, arguments, chosen, chunk_key, report

SLACK_BYTES = 1 << 16  # schema, metadata, and what incompressible buffers grow by


def encoded(batch: pa.RecordBatch, options: ipc.IpcWriteOptions) -> memoryview:
    """The batch as a self-contained stream."""
    room = pa.allocate_buffer(batch.get_total_buffer_size() * 17 // 16 + SLACK_BYTES)
    sink = pa.FixedSizeBufferWriter(room)
    with ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return memoryview(room)[: sink.tell()]


def set_command(key: bytes, payload: memoryview) -> list[bytes | memoryview]:
    start = b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, len(payload))
    return [start, payload, b"\r\n"]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--compression", choices=["zstd", "lz4", "uncompressed"], default="zstd")
    parser.add_argument(
        "--nowhere", action="store_true", help="send nothing: what the codecs take alone"
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    codec = None if options.compression == "uncompressed" else options.compression
    reading = ipc.IpcReadOptions(use_threads=False)
    writing = ipc.IpcWriteOptions(compression=codec, use_threads=False)

    def split() -> Outcome:
        file = pa.memory_map(options.file)
        count = ipc.open_file(file).num_record_batches
        wanted = chosen(options.partitions)
        numbers = iter([n for n in range(count) if not wanted or n // options.batches in wanted])
        taking = threading.Lock()
        pool = redis.ConnectionPool.from_url(options.redis_url)

        def work(_: int) -> Outcome:
            done = Outcome(0, 0, 0)
            connection = pool.get_connection()
            reader = ipc.open_file(pa.memory_map(options.file), options=reading)
            while True:
                with taking:
                    number = next(numbers, None)
                if number is None:
                    break
                batch = reader.get_batch(number)
                payload = encoded(batch, writing)
                if not options.nowhere:
                    key = chunk_key(options.prefix, *divmod(number, options.batches))
                    connection.send_packed_command(set_command(key.encode(), payload))
                    if connection.read_response() != b"OK":
                        raise RuntimeError("SET was not acknowledged")
                done.rows += batch.num_rows
                done.chunks += 1
                done.payload_bytes += len(payload)
            pool.release(connection)
            return done

        with ThreadPoolExecutor(options.threads) as workers:
            parts = list(workers.map(work, range(options.threads)))
        pool.disconnect()
        return Outcome(
            sum(part.rows for part in parts),
            sum(part.chunks for part in parts),
            sum(part.payload_bytes for part in parts),
        )

    report("split_decode", options.repeat, split)


if __name__ == "__main__":
    main()
