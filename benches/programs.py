"""The programs that are compared: how they are built, and their command lines.

What a command line may name: {arrowredis} the program, {file} the dataset's file, {url} the server,
{prefix} of the chunks, {batches} of a partition, {endpoint} the server of S3, {bucket} and {key} the file there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from servers import ROOT

PARTITIONS, BATCHES, ROWS = 8, 16, 50_000
SEED = 42
PEERS_FOLDER = ROOT / "benches" / "peers"
PREFIX = ROOT / "target" / "prefix"
GO_PROGRAMS = ROOT / "target" / "bench" / "go"
CPP_PROGRAMS = ROOT / "target" / "bench" / "cpp"
STORED = ["--redis-url", "{url}", "--prefix", "{prefix}", "--batches", "{batches}"]


def arrowredis(flags: str) -> list[str]:
    return ["{arrowredis}", *flags.split(), "--json"]


def python_peer(script: str, *flags: str) -> list[str]:
    return [
        sys.executable,
        str(PEERS_FOLDER / "python" / script),
        "--file",
        "{file}",
        *STORED,
        *flags,
    ]


def s3_peer(script: str, *flags: str) -> list[str]:
    return [*python_peer(script), "--endpoint", "{endpoint}", "--object", "{bucket}/{key}", *flags]


def bench_program(name: str, *arguments: str) -> list[str]:
    """One of the crate's own benchmarks."""
    features = ["--locked", "--features", "cli,mimalloc"]
    return ["cargo", "bench", "-q", *features, "--bench", name, "--", *arguments]


def go_program(name: str) -> list[str]:
    return [str(GO_PROGRAMS / name), *STORED]


def cpp_program(name: str) -> list[str]:
    return [str(CPP_PROGRAMS / name), *STORED]


def java_program(name: str) -> list[str]:
    return [str(PEERS_FOLDER / "java" / "run"), name, *STORED]


def build_go() -> None:
    """The Go programs, against the library that `make install-prefix` installed."""
    library = PREFIX / "lib"
    environment = {
        **os.environ,
        "PKG_CONFIG_PATH": str(library / "pkgconfig"),
        "CGO_LDFLAGS": f"-Wl,-rpath,{library}",
    }
    GO_PROGRAMS.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-o", str(GO_PROGRAMS), "./..."]
    subprocess.run(command, cwd=PEERS_FOLDER / "go", env=environment, check=True)


def build_java() -> None:
    """The Java programs, with the same library."""
    maven = str(ROOT / "scripts" / "maven")
    subprocess.run([maven, "java-bench", "-DskipTests", "package"], cwd=ROOT, check=True)


def build_cpp() -> None:
    """The C++ programs, with the same library, and Arrow C++ from pyarrow."""
    source, build = str(PEERS_FOLDER / "cpp"), str(CPP_PROGRAMS)
    configure = ["cmake", "--log-level=WARNING", "-S", source, "-B", build]
    subprocess.run([*configure, f"-DCMAKE_PREFIX_PATH={PREFIX}"], check=True, stdout=sys.stderr)
    subprocess.run(["cmake", "--build", build], check=True, stdout=sys.stderr)


BUILDERS = {"go": build_go, "java": build_java, "cpp": build_cpp}


def built_by(command: list[str]) -> str | None:
    """The language whose builder makes the program of a command; None if it is there already."""
    folders = {"go": GO_PROGRAMS, "cpp": CPP_PROGRAMS, "java": PEERS_FOLDER / "java"}
    return next((name for name, at in folders.items() if Path(command[0]).is_relative_to(at)), None)
