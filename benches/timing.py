"""Running programs, and what their runs took."""

from __future__ import annotations

import json
import mmap
import resource
import statistics
import subprocess
from dataclasses import dataclass, field

from servers import ROOT


@dataclass
class Timing:
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        if len(self.seconds) < 2:
            return f"{self.median:.3f}"
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return f"{self.median:.3f} [{low:.3f}, {high:.3f}]"


TOUCHED_BYTES = 512 << 20
HUGE_PAGE = 2 << 20


def touch_memory(size: int = TOUCHED_BYTES) -> None:
    """Uses and frees memory, so that the next program's is at hand.

    A virtual machine's host may take back what is free for some seconds. Whoever uses it next waits
    for milliseconds for each huge page, which is no doing of the program's.
    """
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with mmap.mmap(-1, size, flags=private) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        for start in range(0, size, HUGE_PAGE):
            memory[start] = 1


def run(command: list[str], **values: str) -> dict:
    """What the last line of standard output reports, of a command whose words may name values."""
    command = [word.format(**values) for word in command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nfailed with {done.returncode}: {done.stderr}")
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}


def cpu_seconds(command: list[str], **values: str) -> float:
    """The processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(command, **values)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
