"""file_info.py FILE: what pyarrow sees in an IPC file or stream."""

from __future__ import annotations

import argparse
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from arrow_io import body_compression, is_file, main, messages, read_batches


def partition_range(batch: pa.RecordBatch, column: str) -> list[Any] | None:
    """Least and greatest partition value of a batch, or None without the column or without rows."""
    index = batch.schema.get_field_index(column)
    if index < 0 or not batch.num_rows:
        return None
    values = batch.column(index)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string_view(values.type):  # for which pyarrow has no min_max
        values = values.cast(pa.string())
    least_greatest = pc.min_max(values)
    return [least_greatest["min"].as_py(), least_greatest["max"].as_py()]


def judge() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--partition-column", default="partition")
    options = parser.parse_args()
    schema, batches = read_batches(options.file)
    data = pa.memory_map(options.file).read_buffer()
    start = 8 if is_file(options.file) else 0
    kinds = [(offset, message) for offset, message in messages(data, start)]
    records = [(offset, message) for offset, message in kinds if message.type == "record batch"]
    return {
        "kind": "file" if start else "stream",
        "schema": schema.to_string(show_schema_metadata=True),
        "columns": schema.names,
        "rows": sum(batch.num_rows for batch in batches),
        "batches": len(batches),
        "batch_rows": [batch.num_rows for batch in batches],
        "partitions": [partition_range(batch, options.partition_column) for batch in batches],
        "compression": body_compression(records[0][1]) if records else None,
        "dictionary_messages": sum(message.type == "dictionary" for _, message in kinds),
        "bodies_aligned_64": all(offset % 64 == 0 for offset, _ in records),
    }


if __name__ == "__main__":
    main(judge)
