"""What is compared: the jobs of ours, the peers, and how many times as fast ours has to be."""

from __future__ import annotations

from dataclasses import dataclass

from programs import (
    BATCHES,
    PARTITIONS,
    ROWS,
    SEED,
    arrowredis,
    cpp_program,
    go_program,
    java_program,
    python_peer,
    s3_peer,
)

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
    "python, read 3 partitions": python_peer("read_redis.py", "--partitions", "0,3,6"),
    "python, local": python_peer("read_local.py"),
    "go-redis and arrow-go": go_program("byhand"),
    "Jedis and arrow-java": java_program("ByHand"),
    "hiredis and Arrow C++": cpp_program("byhand"),
    "the Rust API": arrowredis(READ + " all"),
    "pyarrow, S3": s3_peer("read_s3.py"),
    "pyarrow, S3, 1 partition": s3_peer("read_s3.py", "--partitions", "3"),
    "pyarrow, S3, 1 partition, told where": s3_peer("read_s3.py", "--partitions", "3", "--told"),
    "boto3's transfer manager": s3_peer("upload_s3.py"),
    "zstd level 1 alone": [
        "cargo",
        "bench",
        "-q",
        "--locked",
        "--features",
        "cli,mimalloc",
        "--bench",
        "zstd_bound",
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
    s3_delay: float | None = None  # a job on S3, whose server adds so many seconds to every answer
    uploads: bool = False
    limit: str | None = None  # the partitions whose read has a limit that is measured as well


SPLIT = f"split --inp {{file}} --redis-url {{url}} --prefix {{prefix}} --batches {BATCHES}"
S3 = "--bucket {bucket} --key {key} --endpoint-url http://{endpoint}"
SHAPE = f"--partitions {PARTITIONS} --batches {BATCHES} --rows {ROWS} --dict-strings --seed {SEED}"


def read_all(codec: str, peers: dict[str, float]) -> Job:
    return Job(
        f"read all, {codec}", arrowredis(READ + " all"), peers, codec, stored=True, limit="all"
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


JOBS: dict[str, Job] = {
    "gen-zstd": Job(
        "generate 6.4 M rows, zstd",
        arrowredis(f"gen {SHAPE} --out {{file}}.generated"),
        {"zstd level 1 alone": 0.625},
    ),
    "split-zstd": Job(
        "split, zstd to zstd",
        arrowredis(SPLIT + " --compression zstd --overwrite"),
        {
            "python asyncio, messages passed through": 1.3,
            "python, messages passed through": 1.3,
            "python, decoding": 6.0,
        },
    ),
    "read-zstd": read_all("zstd", {"python asyncio, read": 2.1, "python, read": 2.1}),
    "read-lz4": read_all("lz4", {"python asyncio, read": 2.3, "python, read": 2.3}),
    "read-uncompressed": read_all(
        "uncompressed", {"python asyncio, read": 4.0, "python, read": 4.0}
    ),
    "read-3-of-8": Job(
        "read 3 of 8 partitions, zstd",
        arrowredis(READ + " 0,3,6"),
        {"python asyncio, read 3 partitions": 1.3, "python, read 3 partitions": 1.3},
        stored=True,
    ),
    **{
        f"{key}-read-{codec}": read_from(language, ours, codec, peer, required)
        for key, language, ours, peer in (
            ("go", "Go", go_program("ours"), "go-redis and arrow-go"),
            ("java", "Java", java_program("Ours"), "Jedis and arrow-java"),
            ("cpp", "C++", cpp_program("ours"), "hiredis and Arrow C++"),
        )
        for codec, required in (("zstd", 1.3), ("uncompressed", 1.5))
    },
    "s3-read": Job(
        "read all from S3, zstd",
        arrowredis(f"s3-read {S3} --partitions all"),
        {"pyarrow, S3": 1.5},
        s3_delay=0.0,
        limit="all",
    ),
    "s3-read-1-of-8": Job(
        "read 1 of 8 partitions from S3, zstd",
        arrowredis(f"s3-read {S3} --partitions 3"),
        {"pyarrow, S3, 1 partition": 4.0, "pyarrow, S3, 1 partition, told where": 0},
        s3_delay=0.0,
        limit="3",
    ),
    "s3-read-far": Job(
        "read all from S3, zstd, 20 ms away",
        arrowredis(f"s3-read {S3} --partitions all"),
        {"pyarrow, S3": 3.0},
        s3_delay=0.02,
        limit="all",
    ),
    "s3-read-1-of-8-far": Job(
        "read 1 of 8 partitions from S3, zstd, 20 ms away",
        arrowredis(f"s3-read {S3} --partitions 3"),
        {"pyarrow, S3, 1 partition": 6.0, "pyarrow, S3, 1 partition, told where": 0},
        s3_delay=0.02,
        limit="3",
    ),
    "s3-upload": Job(
        "upload 242 MB to S3",
        arrowredis(f"s3-upload --inp {{file}} {S3}"),
        {"boto3's transfer manager": 1.0},
        s3_delay=0.0,
        uploads=True,
    ),
    "local-zstd": Job(
        "read a local file, zstd",
        arrowredis("local-read --inp {file} --partitions all"),
        {"python, local": 1.2},
    ),
}
