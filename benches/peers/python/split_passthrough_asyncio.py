"""Splits an IPC file into Redis without decoding it, with redis-py's asyncio client and uvloop.

The file is mapped; each record-batch message is joined with the file's schema and dictionary
messages and an end-of-stream marker into one value, which a SET sends. A few connections work at
once under a semaphore.

Why it cannot be faster through the client's own interface: a value has to be one bytes object, so
the payload is joined once, and the transport copies what the socket does not take at once.
Measured and not faster: 1 and 4 connections.
split_passthrough.py goes below that interface and sends the mapped bytes themselves.
"""

from __future__ import annotations

import asyncio

import pyarrow as pa
import redis.asyncio as redis
import uvloop
from common import END_OF_STREAM, Outcome, arguments, chunk_key, file_messages, file_rows, report


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--connections", type=int, default=2)
    options = parser.parse_args()
    rows = file_rows(options.file)

    async def split() -> Outcome:
        head, messages = file_messages(pa.memory_map(options.file).read_buffer())
        client = redis.Redis.from_url(options.redis_url, max_connections=options.connections)
        turn = asyncio.Semaphore(options.connections)

        async def send(number: int) -> int:
            key = chunk_key(options.prefix, *divmod(number, options.batches))
            async with turn:
                payload = b"".join((head, messages[number], END_OF_STREAM))
                await client.set(key, payload)
            return len(payload)

        sizes = await asyncio.gather(*map(send, range(len(messages))))
        await client.aclose()
        return Outcome(rows, len(sizes), sum(sizes))

    report("split_passthrough_asyncio", options.repeat, lambda: uvloop.run(split()))


if __name__ == "__main__":
    main()
