"""Reads an IPC file on S3 into a pyarrow Table, as well as pyarrow can.

All of it: a dataset scan, which reads ahead and joins small reads (pre-buffering); nothing else of
pyarrow does. Some partitions: one open file, of which a pool of threads takes the wanted batches,
many at once, since pyarrow's file reader takes one after the other. Which batches these are it finds
out by reading the partition column of every batch, many at once, too; with --told it is told
beforehand, which a reader of a file that somebody else wrote is not.

Why it cannot be faster: pyarrow asks for size, footer length, footer and dictionaries one after
the other before the first batch, and for each batch alone for its metadata and then for its body.
Reading everything with a filter takes several times as long.
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
    parser.add_argument("--told", action="store_true", help="batches are ordered by partition")
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

    def open_columns(
        file: pa.NativeFile, names: str | None, first: ipc.RecordBatchFileReader
    ) -> ipc.RecordBatchFileReader:
        """The file with only these columns."""
        fields = included_fields(first.schema, names)
        reading = ipc.IpcReadOptions(use_threads=False, included_fields=fields)
        return ipc.open_file(file, options=reading) if fields else first

    def batches(reader: ipc.RecordBatchFileReader, numbers: list[int]) -> list[pa.RecordBatch]:
        # The first brings the dictionaries; only then may several threads ask.
        head = reader.get_batch(numbers[0])
        with ThreadPoolExecutor(min(THREADS, len(numbers))) as workers:
            return [head, *workers.map(reader.get_batch, numbers[1:])]

    def read_some(partitions: list[int]) -> Outcome:
        file = s3.open_input_file(options.object)
        first = ipc.open_file(file, options=ipc.IpcReadOptions(use_threads=False))
        if options.told:
            per = options.batches
            numbers = [part * per + batch for part in partitions for batch in range(per)]
        else:
            column = open_columns(file, "partition", first)
            found = batches(column, list(range(column.num_record_batches)))
            values = [batch.column(0)[0].as_py() for batch in found]
            numbers = [number for number, value in enumerate(values) if value in partitions]
        wanted_batches = batches(open_columns(file, options.columns, first), numbers)
        table = pa.Table.from_batches(wanted_batches)
        return Outcome(table.num_rows, len(wanted_batches), table.nbytes)

    report("read_s3", options.repeat, lambda: read_some(wanted) if wanted else read_all())


if __name__ == "__main__":
    main()
