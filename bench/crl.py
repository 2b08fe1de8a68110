"""A large CRL in the gateway, in OpenSSL and in nginx: `python -m bench.crl`.

From its octets to enforced, what a lookup costs, for how long event loops stand still, and how much
memory it takes; exit 1 if the gateway misses a goal.
"""

import asyncio
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from rich.console import Console
from rich.table import Table

from bench.crl_peers import nginx_reload, openssl_command, openssl_store
from bench.large_crl import Shape, large_crl
from bench.processes import BenchError, accepts, free_port, running, wait_until
from gateway.config import Revocation
from gateway.core.authority import Authority, AuthorityType
from gateway.core.certificate import ClientCertificate
from gateway.core.crl import CrlKind, verify_crl
from gateway.core.revocation import RevocationState
from gateway.pki.authority import CertificateAuthority
from gateway.pki.identity import Identity
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.files import put_in_place, stage
from gateway.revocation.index import IndexFile, index_path, write_index
from gateway.revocation.view import RevocationView
from gateway.tasks import Tasks

_SHAPES = {Shape(540_000, reasons=False): 1.5, Shape(400_000, reasons=True): 3.0}
_MOST_STALL_MS, _MOST_MIB, _MOST_LOOKUP_US = 10.0, 16.0, 50.0
_LOOKUPS = 5000
_WORKERS = 4
_SWAPS = 9
_BEFORE_OTHERS = -15  # niceness, where it may be had: other programs would be in the figures
_TICK_SECONDS = 0.001


@dataclass(frozen=True)
class Bed:
    """A CA, the phone that the CRL lists, and a folder to work in."""

    folder: Path
    ca: CertificateAuthority
    device: Identity
    authority: Authority

    @property
    def certificate(self) -> ClientCertificate:
        """The phone's certificate."""
        return ClientCertificate.from_x509(self.device.certificate)


class Report:
    """The table, and whether a goal was missed."""

    def __init__(self, shape: Shape, octets: int) -> None:
        self.table = Table("", "measured", "goal", title=f"{shape.name}, {octets:,} octets")
        self.missed = False

    def add(self, what: str, text: str, value: float = 0.0, goal: float | None = None) -> None:
        """One line; with a goal, `value` must not be above it."""
        missed = goal is not None and value > goal
        self.missed |= missed
        mark = " [red]MISSED[/red]" if missed else ""
        self.table.add_row(what, text, "" if goal is None else f"<= {goal:g}{mark}")


@contextlib.contextmanager
def _bed() -> Iterator[Bed]:
    ca = CertificateAuthority.root("Bench CA", key=rsa.generate_private_key(65537, 2048))
    with tempfile.TemporaryDirectory(prefix="bench-crl-") as name:
        folder = Path(name)
        (folder / "ca.der").write_bytes(ca.certificate.public_bytes(Encoding.DER))
        device = ca.issue_device(upn="alice@example.test")
        (folder / "device.der").write_bytes(device.certificate.public_bytes(Encoding.DER))
        authority = Authority.from_der(
            (folder / "ca.der").read_bytes(),
            authority_type=AuthorityType.ROOT,
            crl_distribution_point=None,
        )
        yield Bed(folder, ca, device, authority)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _steps(bed: Bed, data: bytes, report: Report, goal: float) -> None:
    """Each step alone, on one core, in this process; the best of three rounds."""
    path = bed.folder / "steps.index"
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        crl = verify_crl(
            data,
            replace(bed.authority, crl_distribution_point="http://127.0.0.1/"),
            now=datetime.now(UTC),
            clock_skew=timedelta(seconds=60),
            previous=None,
        )
        parsed = time.perf_counter()
        write_index(path, crl, datetime.now(UTC))
        written = time.perf_counter()
        index = IndexFile.open(path)
        opened = time.perf_counter()
        rounds.append((opened - start, parsed - start, written - parsed, opened - written))
    total, parse, write, opening = min(rounds)
    report.add("octets to enforced, one core: all steps", f"{total:.2f} s", total, goal)
    report.add("  verify, parse and sort", f"{parse:.2f} s")
    report.add("  write the index, to the disk", f"{write:.3f} s")
    report.add("  map and check the index", f"{opening:.3f} s")
    serials = [serial for _, serial, _ in itertools.islice(iter(index.entries), 0, None, 50)]
    some = serials[:_LOOKUPS]
    each = _seconds(lambda: [index.find(serial) for serial in some]) / len(some) * 1e6
    report.add("  look up a serial number", f"{each:.1f} us", each, _MOST_LOOKUP_US)
    each = _status_us(bed, path)
    report.add("  all that a verdict asks of the CRLs", f"{each:.1f} us", each, _MOST_LOOKUP_US)


def _status_us(bed: Bed, index: Path) -> float:
    """Microseconds of one question to a view that has this index."""
    folder = bed.folder / "view"
    folder.mkdir()
    index.rename(index_path(folder, bed.authority.id, CrlKind.BASE.value))
    view, now = RevocationView.load(folder), datetime.now(UTC)
    authority = replace(bed.authority, crl_distribution_point="http://127.0.0.1/")
    certificate = bed.certificate
    if view.status(authority, certificate, now).state is not RevocationState.REVOKED:
        raise BenchError("the CRL does not revoke the phone")
    every = range(_LOOKUPS)
    seconds = _seconds(lambda: [view.status(authority, certificate, now) for _ in every])
    return seconds / _LOOKUPS * 1e6


async def _refresh(bed: Bed, url: str) -> tuple[float, float]:
    """Seconds of a refresh with its download, and the longest stall of the loop in ms."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            due = time.perf_counter() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            longest = max(longest, time.perf_counter() - due)

    engine = RevocationEngine(bed.folder / "crl", Revocation())
    tasks = Tasks()
    tasks.spawn(watch(), name="watch")
    start = time.perf_counter()
    result = await engine.refresh(replace(bed.authority, crl_distribution_point=url))
    seconds = time.perf_counter() - start
    await tasks.close()
    if not result.ok:
        raise BenchError(result.detail)
    return seconds, longest * 1e3


@contextlib.contextmanager
def _workers(bed: Bed) -> Iterator[list[subprocess.Popen[str]]]:
    files = (str(bed.folder / name) for name in ("crl", "ca.der", "device.der"))
    command = (sys.executable, "-m", "bench.crl_worker", *files)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started: list[subprocess.Popen[str]] = []
    try:
        started += [subprocess.Popen(command, **pipes) for _ in range(_WORKERS)]  # type: ignore[call-overload]  # the dict's values are of several types
        yield started
    finally:
        for one in started:
            one.kill()
            one.communicate()


def _line(worker: subprocess.Popen[str]) -> dict[str, float]:
    if worker.stdout is None:
        raise AssertionError("it has a pipe")
    found: dict[str, float] = json.loads(worker.stdout.readline())
    return found


def _whole(bed: Bed, data: bytes, report: Report) -> None:
    """A refresh by the engine, with workers that follow it: processes of their own, as in serve."""
    web, port = bed.folder / "web", free_port()
    web.mkdir(exist_ok=True)
    (web / "a.crl").write_bytes(bed.ca.sign_crl(number=1).public_bytes(Encoding.DER))
    server = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(web))
    log = bed.folder / "web.log"
    with running([*server, str(port)], log=log) as process:
        wait_until(lambda: accepts(port), process, log)
        url = f"http://127.0.0.1:{port}/a.crl"
        asyncio.run(_refresh(bed, url))
        with _workers(bed) as workers:
            for worker in workers:
                _line(worker)
            before = _pss(workers)
            (web / "a.crl").write_bytes(data)
            start = time.time()
            seconds, stall = asyncio.run(_refresh(bed, url))
            enforced = max(_line(worker)["enforced"] for worker in workers) - start
            report.add("a refresh by the control process, download included", f"{seconds:.2f} s")
            report.add("  longest stall of its event loop", f"{stall:.1f} ms")
            what = f"  enforced by the last of {_WORKERS} workers, who look 5 times a second"
            report.add(what, f"{enforced:.2f} s after it began")
            _swaps(bed, workers, report)
            grown = _pss(workers) - before
    text = f"{grown:.1f} MiB more than with an empty CRL"
    report.add(f"  memory of {_WORKERS} workers together", text, grown, _MOST_MIB)


def _swaps(bed: Bed, workers: list[subprocess.Popen[str]], report: Report) -> None:
    """The index is replaced again and again, nothing else running; the median is reported."""
    (index,) = (bed.folder / "crl").glob("*.index")
    stalls, quiet = [], []
    for _ in range(_SWAPS):
        put_in_place(stage(index, [index.read_bytes()]), index)
        lines = [_line(worker) for worker in workers]
        stalls.append(max(line["stall_ms"] for line in lines))
        quiet.append(max(line["quiet_ms"] for line in lines))
    found, idle = statistics.median(stalls), statistics.median(quiet)
    what = f"  longest stall of a worker's event loop, median of {_SWAPS} swaps"
    text = f"{found:.1f} ms (between swaps: {idle:.1f})"
    report.add(what, text, found, _MOST_STALL_MS)


def _pss(workers: list[subprocess.Popen[str]]) -> float:
    """MiB of all of them, what they share counted once."""
    texts = [Path(f"/proc/{one.pid}/smaps_rollup").read_text(encoding="ascii") for one in workers]
    return sum(int(text.split("Pss:")[1].split()[0]) for text in texts) / 1024


@click.command()
@click.pass_context
def main(context: click.Context) -> None:
    """Measure what a large CRL costs the gateway, OpenSSL and nginx."""
    with contextlib.suppress(PermissionError):
        os.nice(_BEFORE_OTHERS)
    console = Console(width=None if sys.stdout.isatty() else 120)
    missed = False
    for shape, goal in _SHAPES.items():
        with _bed() as bed:
            data = large_crl(bed.ca, shape, number=2, also=bed.certificate.serial_number)
            report = Report(shape, len(data))
            try:
                _steps(bed, data, report, goal)
                _whole(bed, data, report)
                report.table.add_section()
                for what, text in (
                    *openssl_store(bed.folder / "web" / "a.crl"),
                    *openssl_command(bed.folder / "web" / "a.crl"),
                    *nginx_reload(bed.folder, bed.ca, bed.device, data),
                ):
                    report.add(what, text)
            except BenchError as error:
                click.echo(f"bench: {error}", err=True)
                context.exit(2)
        console.print(report.table)
        missed |= report.missed
    context.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
