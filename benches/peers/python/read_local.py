"""Reads an IPC file into a pyarrow Table, as well as pyarrow can.

One thread more than there are cores, each with a reader of its own, takes every n-th batch;
pyarrow gives up the interpreter lock while it reads and decompresses. The batches keep the file's
order. A compressed file is read with positioned reads, which cost a little less than the page
faults of a mapping that is read once; an uncompressed one should be mapped (`--mmap on`), which
copies nothing.

Why it cannot be faster: decompression into fresh memory keeps all cores busy; the interpreter
itself runs for a few milliseconds. Measured and not faster: `read_all`, which asks for a whole
file's buffers before it decodes (mapped: several times slower); batch after batch with pyarrow's
own threads by column; as many threads as cores or twice as many (the same within noise); the
other allocators of pyarrow, by up to a factor of two.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.ipc as ipc
from common import Outcome, arguments, chosen, file_messages, included_fields, report


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--mmap", choices=["on", "off"], default="off")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)) + 1)
    options = parser.parse_args()
    _, messages = file_messages(pa.memory_map(options.file).read_buffer())
    message_bytes = [len(message) for message in messages]
    messages.clear()

    def read() -> Outcome:
        def opened(reading: ipc.IpcReadOptions) -> ipc.RecordBatchFileReader:
            mapped = options.mmap == "on"
            return ipc.open_file(
                pa.memory_map(options.file) if mapped else pa.OSFile(options.file), options=reading
            )

        first = opened(ipc.IpcReadOptions(use_threads=False))
        fields = included_fields(first.schema, options.columns)
        reading = ipc.IpcReadOptions(use_threads=False, included_fields=fields)
        wanted = chosen(options.partitions)
        numbers = [
            n
            for n in range(first.num_record_batches)
            if not wanted or n // options.batches in wanted
        ]

        def work(mine: list[int]) -> list[pa.RecordBatch]:
            reader = opened(reading)
            return [reader.get_batch(number) for number in mine]

        count = options.threads
        with ThreadPoolExecutor(count) as workers:
            parts = list(workers.map(work, [numbers[k::count] for k in range(count)]))
        batches = [parts[place % count][place // count] for place in range(len(numbers))]
        table = pa.Table.from_batches(batches)
        return Outcome(table.num_rows, len(batches), sum(message_bytes[n] for n in numbers))

    report("read_local", options.repeat, read)


if __name__ == "__main__":
    main()
