"""Reads an IPC file on S3 into a pyarrow Table, as well as pyarrow can.

All of it: a dataset scan, which reads ahead and joins small reads (pre-buffering); nothing else of
pyarrow does. Some partitions: one open file, of which a pool of threads takes the wanted batches,
as many at once as the partitions have, since pyarrow's file reader takes one after the other.

Why it cannot be faster: pyarrow asks for size, footer length, footer and dictionaries one after
the other before the first batch, and for each batch alone for its metadata and then for its body.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as fs
import pyarrow.ipc as ipc
from common import Outcome, arguments, chosen, included_fields, report

THREADS = 32


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--object", required=True, help="bucket/key")
    options = parser.parse_args()
    pa.set_io_thread_count(THREADS)
    s3 = fs.S3FileSystem(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region="us-east-1",
        endpoint_override=options.endpoint,
        scheme="http",
    )
    wanted = chosen(options.partitions)

    def read_all() -> Outcome:
        names = options.columns.split(",") if options.columns else None
        fragments = ds.dataset(options.object, format="ipc", filesystem=s3)
        table = fragments.to_table(columns=names, batch_readahead=THREADS, use_threads=True)
        return Outcome(table.num_rows, options.batches * 8, table.nbytes)

    def read_some(partitions: list[int]) -> Outcome:
        file = s3.open_input_file(options.object)
        first = ipc.open_file(file, options=ipc.IpcReadOptions(use_threads=False))
        fields = included_fields(first.schema, options.columns)
        reading = ipc.IpcReadOptions(use_threads=False, included_fields=fields)
        reader = ipc.open_file(file, options=reading) if fields else first
        numbers = [
            partition * options.batches + batch
            for partition in partitions
            for batch in range(options.batches)
        ]
        # The first brings the dictionaries; only then may several threads ask.
        head = reader.get_batch(numbers[0])
        with ThreadPoolExecutor(min(THREADS, len(numbers))) as workers:
            batches = [head, *workers.map(reader.get_batch, numbers[1:])]
        table = pa.Table.from_batches(batches)
        return Outcome(table.num_rows, len(batches), table.nbytes)

    report("read_s3", options.repeat, lambda: read_some(wanted) if wanted else read_all())


if __name__ == "__main__":
    main()
