"""What no reader of a file on S3 is faster than: the same bytes, received into a reused buffer.

One request for the end of the file, as every reader needs it first, then plain GETs of the wanted
bytes in parts of 8 MiB, on 1, 2, 4, 8 and 16 connections that are open beforehand; nothing is kept,
checked or decoded. The best way counts. Reports its seconds, the processor seconds of this process
and those of the server, with what stands before it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import asdict, dataclass

import boto3
import pyarrow as pa
from botocore.config import Config
from common import FILE_START, arguments, chosen, file_messages

CONNECTIONS = (1, 2, 4, 8, 16)
PART = 8 << 20
END = 64 << 10


@dataclass
class Way:
    connections: int
    total_seconds: float
    receive_cpu_seconds: float
    server_cpu_seconds: float


class Connection:
    def __init__(self, host: str, port: int, path: str) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nRange: bytes="
        self.buffer = memoryview(bytearray(1 << 20))

    def get(self, wanted: str) -> int:
        """Receives a range and forgets it; its length."""
        self.socket.sendall(f"{self.head}{wanted}\r\n\r\n".encode())
        have = 0
        while (end := bytes(self.buffer[:have]).find(b"\r\n\r\n")) < 0:
            have += self.receive(self.buffer[have : 16 << 10])
        lines = bytes(self.buffer[:end]).decode().lower().split("\r\n")
        if " 206 " not in lines[0] + " ":
            raise SystemExit(f"the server refuses: {lines[0]}")
        length = next(int(line[16:]) for line in lines if line.startswith("content-length: "))
        left = length - (have - end - 4)
        while left:
            left -= self.receive(self.buffer[: min(left, len(self.buffer))])
        return length

    def receive(self, target: memoryview) -> int:
        if not (count := self.socket.recv_into(target)):
            raise SystemExit("the server has closed the connection")
        return count


def server_cpu_seconds(pids: list[int]) -> float:
    """Of all threads, those that have ended, too."""
    # The clock of another process, as clock_getcpuclockid() makes its number on Linux.
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def wanted_parts(file: str, partitions: list[int] | None, batches: int) -> list[str]:
    """The ranges that hold the partitions' messages; the file's batches are ordered by partition."""
    head, messages = file_messages(pa.memory_map(file).read_buffer())
    starts = [FILE_START + len(head)]
    for message in messages:
        starts.append(starts[-1] + len(message))
    runs = [(starts[0], starts[-1])]
    if partitions is not None:
        runs = [(starts[part * batches], starts[(part + 1) * batches]) for part in partitions]
    return [
        f"{start}-{min(start + PART, end) - 1}"
        for run_start, end in runs
        for start in range(run_start, end, PART)
    ]


def presigned(endpoint: str, key: str) -> str:
    """The path of a GET that needs no further signature."""
    bucket, key = key.split("/", 1)
    signing = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    client = boto3.client(
        "s3", endpoint_url=f"http://{endpoint}", region_name="us-east-1", config=signing
    )
    url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
    return url.removeprefix(f"http://{endpoint}")


def receive_all(connections: list[Connection], parts: list[str]) -> None:
    connections[0].get(f"-{END}")
    left = iter(parts)
    lock = threading.Lock()

    def work(connection: Connection) -> None:
        while True:
            with lock:
                part = next(left, None)
            if part is None:
                return
            connection.get(part)

    threads = [threading.Thread(target=work, args=(one,)) for one in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--object", required=True, help="bucket/key")
    parser.add_argument("--server-pid", type=int, required=True, action="append")
    options = parser.parse_args()
    parts = wanted_parts(options.file, chosen(options.partitions), options.batches)
    path = presigned(options.endpoint, options.object)
    host, port = options.endpoint.split(":")

    def measure(count: int) -> Way:
        connections = [Connection(host, int(port), path) for _ in range(count)]
        server, cpu = server_cpu_seconds(options.server_pid), time.process_time()
        start = time.perf_counter()
        receive_all(connections, parts)
        seconds = time.perf_counter() - start
        cpu = time.process_time() - cpu
        return Way(count, seconds, cpu, server_cpu_seconds(options.server_pid) - server)

    ways = [measure(count) for count in CONNECTIONS]
    print(json.dumps(asdict(min(ways, key=lambda way: way.total_seconds))))


if __name__ == "__main__":
    main()
