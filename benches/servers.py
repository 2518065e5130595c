"""Servers of its own for a measurement: Redis, S3, and one that is farther away."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


S3_KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """Runs a server; gives its process id."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for_port(server, port)
        yield server.pid
    finally:
        server.terminate()
        server.wait()


@contextmanager
def s3_server(folder: Path, bucket: str) -> Iterator[tuple[str, int]]:
    """An S3 server of our own with one bucket, as host:port, and its process id."""
    port = free_port()
    subprocess.run([str(ROOT / "scripts" / "s3-server")], check=True)
    for name in (f"objects/{bucket}", "metadata"):
        (folder / name).mkdir(parents=True)
    command = [str(ROOT / ".tools" / "versitygw"), "--port", f"127.0.0.1:{port}", "--quiet"]
    command += ["--keep-alive", "--access", S3_KEYS["AWS_ACCESS_KEY_ID"]]
    command += ["--secret", S3_KEYS["AWS_SECRET_ACCESS_KEY"], "posix"]
    command += ["--sidecar", str(folder / "metadata"), str(folder / "objects")]
    with running(command, port) as pid:
        yield f"127.0.0.1:{port}", pid


@contextmanager
def delayed(server: str, seconds: float) -> Iterator[tuple[str, int]]:
    """The server at host:port, so much farther away, and the process id of what makes it so."""
    port = free_port()
    proxy = ROOT / "benches" / "delay_proxy.py"
    command = [sys.executable, str(proxy), str(port), server.rsplit(":", 1)[1], str(seconds)]
    with running(command, port) as pid:
        yield f"127.0.0.1:{port}", pid


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A server of our own on a free port, as a URL."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    with running([*command, "--save", "", "--appendonly", "no"], port):
        yield f"redis://127.0.0.1:{port}/0"


def wait_for_port(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
