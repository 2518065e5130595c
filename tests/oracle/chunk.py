"""chunk.py PAYLOAD_FILE: asserts that a chunk's payload is a self-contained stream of one batch."""

from __future__ import annotations

import argparse
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
from arrow_io import Judged, body_compression, main, messages


def judge() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("payload_file")
    data = pa.memory_map(parser.parse_args().payload_file).read_buffer()
    reader = ipc.open_stream(data)
    batches = list(reader)
    if len(batches) != 1:
        raise Judged(f"{len(batches)} record batches instead of one")
    parts = list(messages(data))
    offset, record = next(x for x in parts if x[1].type == "record batch")
    if bytes(data)[-8:] != b"\xff\xff\xff\xff\x00\x00\x00\x00":
        raise Judged("does not end with the end-of-stream marker")
    (batch,) = batches
    batch.validate(full=True)
    id64 = batch.schema.get_field_index("id64")
    ids = pc.min_max(batch.column(id64)) if id64 >= 0 else None
    return {
        "rows": batch.num_rows,
        "columns": batch.schema.names,
        "schema": batch.schema.to_string(show_schema_metadata=True),
        "id64": [ids["min"].as_py(), ids["max"].as_py()] if ids else None,
        "compression": body_compression(record),
        "dictionary_messages": sum(message.type == "dictionary" for _, message in parts),
        "body_offset": offset,
        "body_aligned_64": offset % 64 == 0,
    }


if __name__ == "__main__":
    main(judge)
