"""What no reader is faster than on this machine: every term is measured alone, in the same run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from programs import arrowredis, s3_peer
from timing import Timing, cpu_seconds, run

# The dataset of `arrowredis bench` that has the shape of ours.
SAME_SIZE = "250mb"
# A reader has to ask for the end of a file before it can ask for what it wants of it.
S3_TRIPS = 2


@dataclass(frozen=True)
class RedisLimit:
    """To read all chunks of a codec from Redis."""

    wire: float  # to receive them into one reused buffer, by the best of twelve ways
    seconds: (
        float  # the larger of that, and of what server, receiving and decoding need of the cores
    )

    def __str__(self) -> str:
        return f"{self.seconds:.3f} (wire {self.wire:.3f})"

    @staticmethod
    def measure(codec: str, values: dict[str, str]) -> RedisLimit:
        """By `arrowredis bench`, on a dataset of the same shape, on the same server."""
        flags = f"bench --size {SAME_SIZE} --compression {codec} --redis-url {{url}}"
        command = arrowredis(f"{flags} --output-dir {{file}}.limits --repeats 5")
        found = run(command, **values)["benchmarks"][0]["limits"]
        return RedisLimit(found["wire"]["seconds"], found["model_seconds"])


@dataclass
class S3Limit:
    """To read partitions of a file on S3. Measured once a round."""

    partitions: str
    delay: float
    server_pids: list[int]  # of the server, and of what stands before it
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    wire: Timing = field(default_factory=Timing)
    server_cpu: Timing = field(default_factory=Timing)
    receive_cpu: Timing = field(default_factory=Timing)
    decode_cpu: Timing = field(default_factory=Timing)

    @property
    def seconds(self) -> float:
        cpu = self.server_cpu.median + self.receive_cpu.median + self.decode_cpu.median
        return max(self.wire.median, S3_TRIPS * self.delay + cpu / self.cores)

    def __str__(self) -> str:
        terms = [self.wire, self.server_cpu, self.receive_cpu, self.decode_cpu]
        wire, server, receive, decode = (f"{term.median:.3f}" for term in terms)
        return (
            f"{self.seconds:.3f} = max(wire {wire}, {S3_TRIPS} x {self.delay} + "
            f"(server CPU {server} + receive CPU {receive} + decode CPU {decode}) / {self.cores})"
        )

    def measure(self, values: dict[str, str]) -> None:
        partitions = ["--partitions", self.partitions]
        pids = [word for pid in self.server_pids for word in ("--server-pid", str(pid))]
        wire = [*s3_peer("wire_s3.py", *partitions), *pids]
        best = run(wire, **values)
        self.wire.seconds.append(best["total_seconds"])
        self.server_cpu.seconds.append(best["server_cpu_seconds"])
        self.receive_cpu.seconds.append(best["receive_cpu_seconds"])
        # The same batches out of the mapped file, less what it takes to start.
        decode = arrowredis(f"local-read --inp {{file}} --partitions {self.partitions}")
        start = cpu_seconds(["{arrowredis}", "--version"], **values)
        self.decode_cpu.seconds.append(cpu_seconds(decode, **values) - start)


@dataclass
class Bound:
    """What decoding and encoding alone take on all cores. Measured once a round."""

    command: list[str]
    alone: Timing = field(default_factory=Timing)

    @property
    def seconds(self) -> float:
        return self.alone.median

    def __str__(self) -> str:
        return f"{self.seconds:.3f} (codecs alone)"

    def measure(self, values: dict[str, str]) -> None:
        self.alone.seconds.append(run(self.command, **values)["total_seconds"])


Limit = RedisLimit | S3Limit | Bound
