"""Simulated devices live with a gateway of two workers, for as long as they are told to.

Nothing may go wrong for any of them, and what the gateway holds must not grow meanwhile. The
picture of the run is in build/soak/ afterwards. `make soak SECONDS=3600` takes an hour of it.
"""

import os
import threading
from pathlib import Path
from statistics import median
from typing import Self

from bench import processes
from bench.fleet_command import write
from bench.fleet_run import FleetPlan, Target, live, mail_server
from bench.habits import Habits
from tests.blackbox.bed import Running, until
from tests.helpers import Pki
from tests.scale import crls
from tests.scale.figures import Figures
from tests.scale.nodes import WORKERS, LagWatch, MailServer, fill, new_node
from tests.scale.phones import make_phones

RESULTS = Path("build/soak")
PLAN = FleetPlan(
    devices=int(os.environ.get("EAS_GATEWAY_SOAK_DEVICES", "500")),
    seconds=float(os.environ.get("EAS_GATEWAY_SOAK_SECONDS", "60")),
    processes=2,
    habits=Habits(pace=float(os.environ.get("EAS_GATEWAY_SOAK_PACE", "60"))),
)
_GROWTH_PERCENT = 10.0
_LAG_LIMIT = 0.25
_LOOK_SECONDS = 0.5


class MemoryWatch:
    """The memory of the gateway's workers while a block runs."""

    def __init__(self, running: Running) -> None:
        self._workers = [running.child(f"worker-{number}") for number in WORKERS]
        self._samples: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def part(self, start: float, end: float) -> float:
        """KiB in the middle of what was seen from one share of the time to another."""
        count = len(self._samples)
        return median(self._samples[int(count * start) : max(int(count * end), 1)])

    def _run(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._samples.append(processes.memory_kib(self._workers))


def _open_files(running: Running) -> int:
    workers = [running.child(f"worker-{number}") for number in WORKERS]
    return sum(len(list(Path(f"/proc/{worker}/fd").iterdir())) for worker in workers)


def test_devices_live_without_an_error(tmp_path: Path, pki: Pki, figures: Figures) -> None:
    """All are served, Pings are held, and when they are gone nothing of them is left."""
    subject = f"{PLAN.devices} devices, {PLAN.seconds:g} s"
    phones = make_phones(
        tmp_path / "phones", pki, PLAN.devices, lambda number: f"device{number:05d}@example.test"
    )
    with crls.serving(pki) as site, mail_server(tmp_path, PLAN) as mail:
        bed = new_node(tmp_path / "node", pki, MailServer(mail))
        fill(bed, site, phones)
        with bed.running() as running:
            before = _open_files(running)
            with MemoryWatch(running) as memory, LagWatch(running) as lag:
                seen = live(PLAN, Target(bed.port, pki.root_pem, phones))
            until(lambda: _open_files(running) <= before, "no connection of a device is left")
            until(lambda: MailServer(mail).held() == 0, "no Ping is held any more")
    write(RESULTS, PLAN, seen)
    figures.equal(subject, "errors", dict(seen.errors), {})
    figures.equal(subject, "devices that synced", seen.total("FolderSync"), PLAN.devices)
    late = [one.held for one in seen.slices[len(seen.slices) // 2 :]]
    share = 100 * median(late) / PLAN.devices
    figures.equal(subject, "of 100 devices, 90 or more hold a Ping", share >= 90, wanted=True)
    figures.tell(subject, "Syncs", seen.total("Sync"))
    figures.tell(subject, "reconnects", seen.reconnects.total())
    sync = seen.latencies["Sync"]
    spread = " / ".join(f"{sync.percentile(one) * 1000:.1f}" for one in (50, 99, 100))
    figures.tell(subject, "Sync, median / 99 of 100 / longest", f"{spread} ms")
    middle, end = memory.part(0.45, 0.65), memory.part(0.8, 1.0)
    growth = 100 * (end / middle - 1)
    figures.tell(subject, "memory of the workers at the end", f"{end / 1024:.0f} MiB")
    figures.at_most(subject, "growth in the second half", growth, _GROWTH_PERCENT, "%")
    for number in WORKERS:
        figures.at_most(subject, f"loop lag, worker {number}", lag.worst[number], _LAG_LIMIT, "s")
