"""Reads an IPC file into a pyarrow Table, as well as pyarrow can.

PLACEHOLDER
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.ipc as ipc
from common import Outcome, arguments, chosen, included_fields, report


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--mmap", choices=["on", "off"], default="on")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sum", action="store_true", help="also add up the numeric columns")
    options = parser.parse_args()

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
        return Outcome(table.num_rows, len(batches), os.path.getsize(options.file))

    report("read_local", options.repeat, read)


if __name__ == "__main__":
    main()
