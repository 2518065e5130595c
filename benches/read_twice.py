"""read_twice.py ARROWREDIS FILE: reads a file twice with `arrowredis local-read`, and adds up the seconds."""

from __future__ import annotations

import json
import subprocess
import sys


def main() -> None:
    arrowredis, file = sys.argv[1:]
    command = [arrowredis, "local-read", "--inp", file, "--partitions", "all", "--json"]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for _ in range(2)
    ]
    seconds = sum(run["total_seconds"] for run in runs)
    print(json.dumps({**runs[0], "total_seconds": seconds}))


if __name__ == "__main__":
    main()
