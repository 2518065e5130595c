"""Runs jobs: ours and the peers in turn, each a process of its own, on the same data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from jobs import PEERS, S3, SHAPE, SPLIT, Job
from limits import Bound, Limit, RedisLimit, S3Limit
from programs import arrowredis
from servers import S3_KEYS
from timing import Timing, run, touch_memory

BUCKET = "bench"


@dataclass
class Result:
    """The timings of a job: those of ours, those of each peer, and the limit if it has one."""

    job: Job
    ours: Timing
    peers: dict[str, Timing]
    limit: Limit | None


class Bench:
    def __init__(
        self, program: str, data: Path, url: str, s3: dict[float, tuple[str, list[int]]]
    ) -> None:
        self.program = program
        self.data = data
        self.url = url
        self.s3 = s3  # where the server of S3 is and its processes, by the delay that it adds
        self.stored: set[str] = set()
        self.limits: dict[str, RedisLimit] = {}
        os.environ.update(S3_KEYS)

    def values(self, job: Job, prefix: str) -> dict[str, str]:
        values = {"arrowredis": self.program, "url": self.url, "prefix": prefix}
        values["partitions"] = str(job.partitions)
        values |= {"file": self.dataset(job), "batches": str(job.batches)}
        if job.s3_delay is not None:
            key = "uploaded" if job.uploads else f"data-{job.codec}"
            values |= {"endpoint": self.s3[job.s3_delay][0], "bucket": BUCKET, "key": key}
        return values

    def dataset(self, job: Job) -> str:
        """The job's file, generated unless it is there."""
        file = self.data / f"{job.codec}-{job.partitions}.arrow"
        if not file.exists():
            command = arrowredis(f"gen {SHAPE} --compression {job.codec} --out {{file}}")
            shape = {"partitions": str(job.partitions), "batches": str(job.batches)}
            run(command, arrowredis=self.program, file=str(file), **shape)
        return str(file)

    def store(self, job: Job, prefix: str) -> None:
        if prefix not in self.stored:
            command = arrowredis(f"{SPLIT} --compression {job.codec} --overwrite")
            run(command, **self.values(job, prefix))
            self.stored.add(prefix)

    def put(self, job: Job) -> None:
        """The dataset's file on S3, uploaded unless it is there."""
        key = f"data-{job.codec}"
        if key not in self.stored:
            values = {"arrowredis": self.program, "file": self.dataset(job), "key": key}
            values |= {"bucket": BUCKET, "endpoint": self.s3[0.0][0]}
            run(arrowredis(f"s3-upload --inp {{file}} {S3}"), **values)
            self.stored.add(key)

    def limit(self, job: Job) -> Limit | None:
        if job.bound:
            return Bound(job.bound)
        if job.limit is None:
            return None
        if job.s3_delay is not None:
            return S3Limit(job.limit, job.s3_delay, self.s3[job.s3_delay][1])
        if job.codec not in self.limits:
            self.limits[job.codec] = RedisLimit.measure(job.codec, self.values(job, ""))
        return self.limits[job.codec]

    def measure(self, job: Job, rounds: int) -> Result:
        """Interleaved rounds, after one that warms up."""
        commands = {"ours": job.ours} | {peer: PEERS[peer] for peer in job.required}
        if job.stored:
            self.store(job, f"stored-{job.codec}-{job.partitions}")
        if job.s3_delay is not None:
            self.put(job)
        limit = self.limit(job)
        timings = {name: Timing() for name in commands}
        moved: dict[str, tuple[int, int]] = {}
        for number in range(rounds + 1):
            # A file that takes the place of an old one costs what the kernel needs to forget the old one's pages, and
            # what was written before is written back at some time.
            Path(f"{self.dataset(job)}.generated").unlink(missing_ok=True)
            os.sync()
            names = list(commands)
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                prefix = (
                    f"stored-{job.codec}-{job.partitions}"
                    if job.stored
                    else f"written-{names.index(name)}"
                )
                touch_memory()
                result = run(commands[name], **self.values(job, prefix))
                moved[name] = (result["rows"], result["chunks"] if job.same_chunks else 0)
                if number:
                    # A peer finds its partitions within that time; ours opens the dataset before.
                    seconds = result["total_seconds"] + result.get("open_seconds", 0.0)
                    timings[name].seconds.append(seconds)
            if number and isinstance(limit, S3Limit | Bound):
                limit.measure(self.values(job, ""))
        if len(set(moved.values())) != 1:
            raise SystemExit(f"{job.title}: not the same rows and chunks: {moved}")
        return Result(job, timings.pop("ours"), timings, limit)
