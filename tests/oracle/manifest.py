"""manifest.py MANIFEST_FILE: opens a dataset's manifest as the Arrow IPC stream that it is."""

from __future__ import annotations

import argparse
from typing import Any

import pyarrow.ipc as ipc
from arrow_io import Judged, main

CHUNK_COLUMNS = ["partition", "batch", "rows", "payload_bytes"]


def text(pairs: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode(errors="replace") for key, value in (pairs or {}).items()}


def judge() -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest_file")
    with open(parser.parse_args().manifest_file, "rb") as source:
        table = ipc.open_stream(source).read_all()
    missing = [name for name in CHUNK_COLUMNS if name not in table.column_names]
    if missing:
        raise Judged(f"no column {', '.join(missing)}; there are {', '.join(table.column_names)}")
    chunks = table.select(CHUNK_COLUMNS).to_pylist()
    places = [(chunk["partition"], chunk["batch"]) for chunk in chunks]
    if places != sorted(set(places)):
        raise Judged("chunks are not ordered by partition and batch, or one is listed twice")
    return {
        "columns": {field.name: str(field.type) for field in table.schema},
        "rows": table.num_rows,
        "chunks": chunks,
        "metadata": sorted(text(table.schema.metadata)),
        "marks": {f.name: text(f.metadata) for f in table.schema if f.metadata},
    }


if __name__ == "__main__":
    main(judge)
