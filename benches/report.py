"""The table and the chart of a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from measure import Result

HEAD = ["| job | ours | peer | ratio | required | limit |", "| --- | --- | --- | --- | --- | --- |"]
BEGIN, END = "<!-- benches/compare -->", "<!-- end of benches/compare -->"


def verdict(result: Result, peer: str) -> str:
    """What is required, and whether it is reached; if not, whether it can be."""
    required = result.job.required[peer]
    if not required:
        return ""
    median = result.peers[peer].median
    if median / result.ours.median >= required:
        return f"{required:.3g}x"
    if result.limit and median / result.limit.seconds < required:
        return f"{required:.3g}x (out of reach: {median / result.limit.seconds:.2f}x at the limit)"
    return f"{required:.3g}x (missed)"


def table_rows(result: Result) -> Iterator[str]:
    limit = ""
    if result.limit:
        limit = f"{100 * result.limit.seconds / result.ours.median:.0f} % of {result.limit}"
    for peer, timing in result.peers.items():
        cells = [
            result.job.title,
            result.ours,
            f"{peer}: {timing}",
            f"{timing.median / result.ours.median:.2f}x",
            verdict(result, peer),
            limit,
        ]
        yield "| " + " | ".join(map(str, cells)) + " |"


def write_table(file: Path, lines: list[str]) -> None:
    """Writes the table to a file, or between the two marks of one that has them."""
    table = "\n".join(lines) + "\n"
    text = file.read_text() if file.exists() else ""
    if BEGIN in text and END in text:
        before, rest = text.split(BEGIN, 1)
        _, after = rest.split(END, 1)
        table = f"{before}{BEGIN}\n{table}{END}{after}"
    file.write_text(table)


WIDTH, LABELS, VALUES = 860, 250, 60  # of the whole, of the names, of the numbers behind the bars
BAR, GAP, JOB_GAP, TOP = 16, 4, 18, 44
# Colours that are told apart, and can be read, on white and on black alike.
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .ours { fill: #d1582b }
  .peer { fill: #7b93ad }
  .limit { stroke: #24292f; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ours { fill: #f0803c }
    .peer { fill: #6f8299 }
    .limit { stroke: #e6edf3 }
  }
"""


def bars(result: Result) -> list[tuple[str, float, str]]:
    """Name, seconds and class of each bar of a job. The Rust API has jobs of its own."""
    ours = [("arrowredis", result.ours.median, "ours")]
    peers = {name: timing for name, timing in result.peers.items() if name != "the Rust API"}
    return ours + [(name, timing.median, "peer") for name, timing in peers.items()]


def group(result: Result, top: int) -> tuple[list[str], int]:
    """A job: its title, and bars as long as the seconds of the slowest allow; where the next begins."""
    shown = bars(result)
    room = WIDTH - LABELS - VALUES
    slowest = max(seconds for _, seconds, _ in shown)
    parts = [f'<text class="title" x="0" y="{top + 12}">{escape(result.job.title)}</text>']
    at = top + BAR + GAP
    begin = at
    for name, seconds, kind in shown:
        width = seconds / slowest * room
        text = at + 12
        parts += [
            f'<text x="{LABELS - 8}" y="{text}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{LABELS}" y="{at}" width="{width:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{LABELS + width + 6:.1f}" y="{text}">{seconds:.3f} s</text>',
        ]
        at += BAR + GAP
    if result.limit and result.limit.seconds <= slowest:
        x = LABELS + result.limit.seconds / slowest * room
        parts.append(
            f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{begin - 3}" y2="{at - 1}"/>'
        )
    return parts, at + JOB_GAP


def chart(results: list[Result], rounds: int, cores: int) -> str:
    """An SVG of the medians: shorter is better."""
    parts, at = [], TOP
    for result in results:
        lines, at = group(result, at)
        parts += lines
    told = (
        f"Seconds, medians of {rounds} interleaved rounds on {cores} cores; shorter is better. "
        "The line is what wire and cores allow."
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {at}" role="img" '
            f'aria-label="{told}">',
            f"<style>{STYLE}</style>",
            f'<text x="0" y="16">{told}</text>',
            *parts,
            "</svg>\n",
        ]
    )
