"""check_s3_docs.py BUILD_DIR: the C and C++ programs of docs/s3.md do what it shows.

Each is compiled against the library of the build and runs against a real server of S3, whose bucket stands for the
reader's; the C++ program uploads the file that both read. They must print what the text block says that follows.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from check_readme import ROOT, compiled, run

KEYS = {"AWS_ACCESS_KEY_ID": "docs", "AWS_SECRET_ACCESS_KEY": "docs-secret"}
SHAPE = ["--partitions", "8", "--batches", "4", "--rows", "50000", "--seed", "42"]


def program(language: str) -> tuple[str, list[str]]:
    """Its text, and the lines that it prints."""
    text = (ROOT / "docs" / "s3.md").read_text()
    found = re.findall(rf"```{language}\n(.*?)```\s*```text\n(.*?)```", text, re.DOTALL)
    if len(found) != 1:
        sys.exit(f"docs/s3.md should have one program of {language}, followed by what it prints")
    return found[0][0], found[0][1].splitlines()


def wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit("versitygw does not start")
            time.sleep(0.01)


def check(build: Path, folder: Path) -> None:
    run(
        [
            str(ROOT / "target/release/arrowredis"),
            "gen",
            "--quiet",
            "--out",
            "dataset.arrow",
            *SHAPE,
        ]
    )
    for language in ("cpp", "c"):
        code, shown = program(language)
        printed = run([compiled(language, code, build, folder)]).splitlines()
        if printed != shown:
            sys.exit(f"the {language} program of docs/s3.md prints {printed}, not {shown}")


def main() -> None:
    build = Path(sys.argv[1]).resolve()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("data/my-bucket", "metadata"):
            (folder / part).mkdir(parents=True)
        keys = ["--access", KEYS["AWS_ACCESS_KEY_ID"], "--secret", KEYS["AWS_SECRET_ACCESS_KEY"]]
        command = [str(ROOT / ".tools/versitygw"), "--port", f"127.0.0.1:{port}", *keys, "--quiet"]
        command += ["--region", "eu-west-1", "posix", "--sidecar", f"{folder}/metadata"]
        command += [f"{folder}/data"]
        os.environ.update(KEYS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}", HOME=name)
        os.chdir(folder)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                wait_for(server, port)
                check(build, folder)
            finally:
                server.kill()


if __name__ == "__main__":
    main()
