"""What was seen of a run, as lines for a terminal."""

from collections import Counter
from collections.abc import Iterator

from bench.seen import Seen

_ORDER = ("full handshake", "resumption", "FolderSync", "Sync", "Ping")
_PERCENTS = (50, 90, 99)


def lines(seen: Seen) -> Iterator[str]:
    """Counts, latencies, and all that went wrong."""
    yield f"{'':<16}{'count':>9}{'median':>10}{'90 of 100':>11}{'99 of 100':>11}{'longest':>10}  ms"
    for name in _ORDER:
        found = seen.latencies[name]
        times = [*(found.percentile(percent) for percent in _PERCENTS), found.longest]
        shown = "".join(
            f"{seconds * 1000:>{width}.1f}"
            for seconds, width in zip(times, (10, 11, 11, 10), strict=True)
        )
        label = "Ping, too late" if name == "Ping" else name
        yield f"{label:<16}{found.count:>9}{shown if found.count else ''}".rstrip()
    yield f"most Pings held at once: {max(one.held for one in seen.slices)}"
    yield f"Pings that ended: {_counted(seen.outcomes)}"
    yield f"reconnects: {_counted(seen.reconnects)}"
    yield f"errors: {_counted(seen.errors)}"


def _counted(counts: Counter[str]) -> str:
    if not counts:
        return "none"
    return ", ".join(f"{number} {name}" for name, number in counts.most_common())
