"""pyarrow_seeds.py FILES_DIR CORPUS_DIR: seeds for the fuzz targets from files that pyarrow wrote.

Small files go to the corpus of `ipc_file` as they are; the first batch of each becomes a stream of
its own in the corpus of `chunk`, where streams with dictionaries that change go, too.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pyarrow as pa

MOST_BYTES = 6000


def first_batch(file: Path) -> bytes | None:
    with pa.ipc.open_file(file) as reader:
        if reader.num_record_batches == 0:
            return None
        batch = reader.get_batch(0).slice(0, 3)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def main(files: Path, corpus: Path) -> None:
    for file in sorted(files.glob("*.arrow")):
        if file.stat().st_size <= MOST_BYTES:
            shutil.copy(file, corpus / "ipc_file" / file.name)
        stream = first_batch(file)
        if stream is not None and len(stream) <= MOST_BYTES:
            (corpus / "chunk" / f"{file.stem}.arrows").write_bytes(stream)
    for file in sorted(files.glob("*dictionar*.arrows")) + sorted(files.glob("*delta*.arrows")):
        if file.stat().st_size <= MOST_BYTES:
            shutil.copy(file, corpus / "chunk" / f"stream_{file.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
