"""Splits an IPC file into Redis without decoding it, as well as pyarrow and redis-py can.

The file is mapped; each record-batch message is sent as it lies in the mapping, between the
file's schema and dictionary messages and an end-of-stream marker. redis-py sends a command that
is given as a list of buffers with one `sendall` each, so that no byte is copied in user space.
Two connections, each with a thread of its own, send all their chunks before they read a reply;
`sendall` gives up the interpreter lock.

Why it cannot be faster: what remains is the kernel's copy into the socket and the server's copy
out of it, which two threads already overlap; the interpreter itself runs for a few milliseconds.
Measured and not faster: one connection; four; waiting for every reply; asyncio on uvloop with the
same buffers (1.2 times the time); a pipeline or plain SET, for which the payload has to be joined
first (1.4 times). hiredis is no help, since replies are five bytes long.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import redis
from common import (
    END_OF_STREAM,
    Outcome,
    arguments,
    chosen,
    chunk_key,
    file_messages,
    file_rows,
    report,
)

TAIL = END_OF_STREAM + b"\r\n"


def set_command(key: bytes, head: bytes, message: memoryview) -> list[bytes | memoryview]:
    """A SET as the buffers that make it up."""
    payload_bytes = len(head) + len(message) + len(END_OF_STREAM)
    start = b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, payload_bytes)
    return [start + head, message, TAIL]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument(
        "--one-message",
        action="store_true",
        help="send the first message every time, which stays in the cache: what the wire allows",
    )
    options = parser.parse_args()
    rows = file_rows(options.file)

    def split() -> Outcome:
        head, messages = file_messages(pa.memory_map(options.file).read_buffer())
        if options.one_message:
            messages = messages[:1] * len(messages)
        wanted = chosen(options.partitions)
        numbers = [n for n in range(len(messages)) if not wanted or n // options.batches in wanted]
        pool = redis.ConnectionPool.from_url(options.redis_url)

        def send(mine: list[int]) -> None:
            connection = pool.get_connection()
            for number in mine:
                key = chunk_key(options.prefix, *divmod(number, options.batches))
                command = set_command(key.encode(), head, messages[number])
                connection.send_packed_command(command)
            for _ in mine:
                if connection.read_response() != b"OK":
                    raise RuntimeError("SET was not acknowledged")
            pool.release(connection)

        with ThreadPoolExecutor(options.connections) as senders:
            shares = [numbers[first :: options.connections] for first in range(options.connections)]
            list(senders.map(send, shares))
        pool.disconnect()
        payload_bytes = sum(len(head) + len(messages[n]) + len(END_OF_STREAM) for n in numbers)
        return Outcome(rows * len(numbers) // len(messages), len(numbers), payload_bytes)

    report("split_passthrough", options.repeat, split)


if __name__ == "__main__":
    main()
