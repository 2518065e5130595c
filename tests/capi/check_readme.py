"""check_readme.py BUILD_DIR: the C and C++ programs of the README do what it shows.

Each is compiled against the library of the build, runs against a real Redis with the dataset of the README's tour,
and must print every line of the text block that follows it.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER = "redis://127.0.0.1:6379"
SHAPE = ["--partitions", "8", "--batches", "4", "--rows", "50000", "--dict-strings", "--seed", "42"]
COMPILERS = {"c": ["cc", "-std=c11"], "cpp": ["c++", "-std=c++17"]}


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True).returncode:
        if time.monotonic() > deadline:
            sys.exit("redis-server does not start")
        time.sleep(0.01)


def programs() -> list[tuple[str, str, str]]:
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"```(c|cpp)\n(.*?)```\s*```text\n(.*?)```", text, re.DOTALL)
    if [language for language, *_ in found] != ["c", "cpp"]:
        sys.exit(
            "the README should have one program of C and one of C++, each followed by what it prints"
        )
    return found


def compiled(language: str, code: str, build: Path, folder: Path) -> str:
    source, program = folder / f"read.{language}", folder / f"read_{language}"
    source.write_text(code)
    flags = [f"-I{ROOT}/include", f"-I{ROOT}/bindings/cpp/include", "-Wall", "-Wextra", "-Werror"]
    library = [f"-L{build}/lib", "-larrowredis", f"-Wl,-rpath,{build}/lib"]
    run([*COMPILERS[language], *flags, str(source), *library, "-o", str(program)])
    return str(program)


def check(build: Path, folder: Path, url: str) -> None:
    tool, file = str(ROOT / "target/release/arrowredis"), str(folder / "dataset.arrow")
    run([tool, "gen", "--quiet", "--out", file, *SHAPE])
    run([tool, "split", "--quiet", "--inp", file, "--prefix", "demo:v1", "--redis-url", url])
    for language, code, shown in programs():
        printed = run([compiled(language, code.replace(SERVER, url), build, folder)]).splitlines()
        missing = [line for line in shown.splitlines() if line not in printed]
        if missing:
            sys.exit(
                f"the {language} program of the README does not print {missing}, but {printed}"
            )


def main() -> None:
    build = Path(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                wait_for(port)
                check(build, Path(folder), f"redis://127.0.0.1:{port}")
            finally:
                server.kill()


if __name__ == "__main__":
    main()
