"""What is compared: the jobs of ours, the peers, and how many times as fast ours has to be."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from programs import (
    BATCHES,
    PARTITIONS,
    ROWS,
    SEED,
    arrowredis,
    bench_program,
    cpp_program,
    go_program,
    java_program,
    python_peer,
    s3_peer,
)
from servers import ROOT

# What the 18th of 32 partitions holds, and what asks for it.
LOW, HIGH = 17 * 200_000, 18 * 200_000
WHERE = f"id64 >= {LOW} AND id64 < {HIGH}"
TWO_COLUMNS = "id64,float64_c"
READ = "read --redis-url {url} --prefix {prefix} --partitions"
PEERS: dict[str, list[str]] = {
    "python, messages passed through": python_peer("split_passthrough.py"),
    "python, decoding": python_peer("split_decode.py"),
    "python asyncio, messages passed through": python_peer("split_passthrough_asyncio.py"),
    "python asyncio, read": python_peer("read_redis_asyncio.py"),
    "python asyncio, read 3 partitions": python_peer(
        "read_redis_asyncio.py", "--partitions", "0,3,6"
    ),
    "python, read": python_peer("read_redis.py"),
    "python, read in parts": python_peer("read_redis.py", "--part", str(512 << 10)),
    "python, read 3 partitions": python_peer("read_redis.py", "--partitions", "0,3,6"),
    "python asyncio, read 2 columns": python_peer(
        "read_redis_asyncio.py", "--columns", TWO_COLUMNS
    ),
    "python, read 2 columns": python_peer("read_redis.py", "--columns", TWO_COLUMNS),
    "python, read all and filter": python_peer("read_redis.py", "--id64", f"{LOW},{HIGH}"),
    "python, decoding, to lz4": python_peer("split_decode.py", "--compression", "lz4"),
    "python, local": python_peer("read_local.py"),
    "go-redis and arrow-go": go_program("byhand"),
    "Jedis and arrow-java": java_program("ByHand"),
    "hiredis and Arrow C++": cpp_program("byhand"),
    "the Rust API": arrowredis(READ + " all"),
    "pyarrow, S3": s3_peer("read_s3.py"),
    "pyarrow, S3, 1 partition": s3_peer("read_s3.py", "--partitions", "3"),
    "pyarrow, S3, 1 partition, told where": s3_peer("read_s3.py", "--partitions", "3", "--told"),
    "boto3's transfer manager": s3_peer("upload_s3.py"),
    "zstd level 1 alone": bench_program("zstd_bound"),
    "the wire alone": python_peer("split_passthrough.py", "--one-message"),
    "one pass over the bytes": bench_program("mapped_sum", "pass", "{file}"),
    "reading both sides": [
        sys.executable,
        str(ROOT / "benches" / "read_twice.py"),
        *("{arrowredis}", "{file}"),
    ],
}


@dataclass(frozen=True)
class Job:
    """What ours does, and how many times as fast as each peer it has to be; 0 is for the record."""

    title: str
    ours: list[str]
    required: dict[str, float]
    codec: str = "zstd"
    stored: bool = False  # the dataset is in the store beforehand, and all read the same chunks
    partitions: int = PARTITIONS  # of as many batches altogether
    same_chunks: bool = True  # whether ours touches as many chunks as the peers
    s3_delay: float | None = None  # a job on S3, whose server adds so many seconds to every answer
    uploads: bool = False
    limit: str | None = None  # the partitions whose read has a limit that is measured as well
    bound: list[str] | None = None  # does nothing but what no way to do it can leave out

    @property
    def batches(self) -> int:
        return PARTITIONS * BATCHES // self.partitions


SPLIT = "split --inp {file} --redis-url {url} --prefix {prefix} --batches {batches}"
S3 = "--bucket {bucket} --key {key} --endpoint-url http://{endpoint}"
SHAPE = (
    f"--partitions {{partitions}} --batches {{batches}} --rows {ROWS} --dict-strings --seed {SEED}"
)


def read_all(codec: str, peers: dict[str, float]) -> Job:
    return Job(
        f"read all, {codec}", arrowredis(READ + " all"), peers, codec, stored=True, limit="all"
    )


def read_two_columns(codec: str, required: float) -> Job:
    decoding = arrowredis(f"local-read --inp {{file}} --partitions all --columns {TWO_COLUMNS}")
    return Job(
        f"read 2 of 10 columns, {codec}",
        arrowredis(f"{READ} all --columns {TWO_COLUMNS}"),
        {"python asyncio, read 2 columns": required, "python, read 2 columns": required},
        codec,
        stored=True,
        bound=decoding if codec != "uncompressed" else None,
    )


def read_from(language: str, ours: list[str], codec: str, peer: str, required: float) -> Job:
    """The same in another language, compared with the Rust API as well."""
    return Job(
        f"read all from {language}, {codec}",
        ours,
        {peer: required, "the Rust API": 0.9},
        codec,
        stored=True,
        limit="all",
    )


# The second is for the record: it is told what the others have to find out.
ONE_OF_8 = {"pyarrow, S3, 1 partition": 0.0, "pyarrow, S3, 1 partition, told where": 0.0}


def read_from_s3(what: str, partitions: str, delay: float, required: dict[str, float]) -> Job:
    return Job(
        f"read {what} from S3, zstd" + (f", {1000 * delay:.0f} ms away" if delay else ""),
        arrowredis(f"s3-read {S3} --partitions {partitions}"),
        required,
        s3_delay=delay,
        limit=partitions,
    )


JOBS: dict[str, Job] = {
    "gen-zstd": Job(
        "generate 6.4 M rows, zstd",
        arrowredis(f"gen {SHAPE} --out {{file}}.generated"),
        {"zstd level 1 alone": 1 / 1.4},
    ),
    "split-zstd": Job(
        "split, zstd to zstd",
        arrowredis(SPLIT + " --compression zstd --overwrite"),
        {
            "python asyncio, messages passed through": 1.4,
            "python, messages passed through": 1.4,
            "python, decoding": 7.0,
            "the wire alone": 0,
        },
    ),
    "split-transcode": Job(
        "split, zstd to lz4",
        arrowredis(SPLIT + " --compression lz4 --overwrite"),
        {"python, decoding, to lz4": 2.0},
        bound=python_peer("split_decode.py", "--compression", "lz4", "--nowhere"),
    ),
    "read-zstd": read_all("zstd", {"python asyncio, read": 2.4, "python, read": 2.4}),
    "read-lz4": read_all("lz4", {"python asyncio, read": 3.0, "python, read": 3.0}),
    "read-uncompressed": read_all(
        "uncompressed", {"python asyncio, read": 5.0, "python, read in parts": 5.0}
    ),
    "read-3-of-8": Job(
        "read 3 of 8 partitions, zstd",
        arrowredis(READ + " 0,3,6"),
        {"python asyncio, read 3 partitions": 1.4, "python, read 3 partitions": 1.4},
        stored=True,
    ),
    "read-columns-zstd": read_two_columns("zstd", 4.5),
    "read-columns-uncompressed": read_two_columns("uncompressed", 8.0),
    "read-where": Job(
        "read 1 partition of 32 by a condition on id64, zstd",
        [*arrowredis(READ + " all"), "--where", WHERE],
        {"python, read all and filter": 15.0},
        stored=True,
        partitions=32,
        same_chunks=False,
    ),
    **{
        f"{key}-read-{codec}": read_from(language, ours, codec, peer, required)
        for key, language, ours, peer, factors in (
            ("go", "Go", go_program("ours"), "go-redis and arrow-go", (1.3, 1.5)),
            ("java", "Java", java_program("Ours"), "Jedis and arrow-java", (1.3, 1.5)),
            ("cpp", "C++", cpp_program("ours"), "hiredis and Arrow C++", (0.0, 0.0)),
        )
        for codec, required in zip(("zstd", "uncompressed"), factors, strict=True)
    },
    "s3-read": read_from_s3("all", "all", 0.0, {"pyarrow, S3": 1.5}),
    "s3-read-1-of-8": read_from_s3(
        "1 of 8 partitions", "3", 0.0, ONE_OF_8 | {"pyarrow, S3, 1 partition": 4.0}
    ),
    "s3-read-far": read_from_s3("all", "all", 0.02, {"pyarrow, S3": 3.0}),
    "s3-read-1-of-8-far": read_from_s3(
        "1 of 8 partitions", "3", 0.02, ONE_OF_8 | {"pyarrow, S3, 1 partition": 6.0}
    ),
    "s3-upload": Job(
        "upload 241 MB to S3",
        arrowredis(f"s3-upload --inp {{file}} {S3}"),
        {"boto3's transfer manager": 1.0},
        s3_delay=0.0,
        uploads=True,
    ),
    "local-zstd": Job(
        "read a local file, zstd",
        arrowredis("local-read --inp {file} --partitions all"),
        {"python, local": 1.3},
    ),
    "mapped-sum": Job(
        "map a local file, uncompressed, and add it up",
        bench_program("mapped_sum", "library", "{file}"),
        {"one pass over the bytes": 1 / 1.2},
        codec="uncompressed",
    ),
    "verify": Job(
        "verify a file against itself, zstd",
        arrowredis("verify --file1 {file} --file2 {file}"),
        {"reading both sides": 1 / 1.3},
        same_chunks=False,
    ),
}
