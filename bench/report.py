"""The figures as a table and as JSON, and whether the goals are met."""

import datetime as dt
import json
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import OpenSSL.SSL
from rich.console import Console
from rich.table import Table

from bench.measure import Plan, Sample, Scenario

GATEWAY, REFERENCE = "gateway", "nginx"
GOALS = {"request": 2.0, "handshake": 1.0}


@dataclass(frozen=True)
class Row:
    """One server in one scenario over all rounds; `ratio` is as `_ratio` has it."""

    scenario: str
    server: str
    least: float
    median: float
    most: float
    others: float
    busy: float
    rate: float
    ratio: float | None
    tls: str


def rows(scenario: Scenario, samples: Sequence[Sample]) -> list[Row]:
    """The rows of one scenario, in the order in which the servers first appear."""
    mine = [sample for sample in samples if sample.scenario == scenario.name]
    by_server = {
        name: [sample for sample in mine if sample.server == name]
        for name in dict.fromkeys(sample.server for sample in mine)
    }
    reference = by_server.get(REFERENCE)
    return [
        Row(
            scenario=scenario.name,
            server=name,
            least=min(it.worker for it in its),
            median=statistics.median(it.worker for it in its),
            most=max(it.worker for it in its),
            others=statistics.median(it.others for it in its),
            busy=statistics.median(it.busy for it in its),
            rate=statistics.median(it.rate for it in its),
            ratio=_ratio(its, reference) if reference else None,
            tls=", ".join(sorted({it.tls for it in its})),
        )
        for name, its in by_server.items()
    ]


def _ratio(samples: Sequence[Sample], reference: Sequence[Sample]) -> float:
    """The median over the rounds; each compares all processes of both servers in that round."""
    rounds = zip(samples, reference, strict=True)
    return statistics.median(
        (mine.worker + mine.others) / (its.worker + its.others) for mine, its in rounds
    )


def print_table(scenario: Scenario, table_rows: Sequence[Row], console: Console) -> None:
    """Print the rows of one scenario."""
    table = Table(title=f"{scenario.title} ({scenario.unit})", title_justify="left")
    table.add_column("server")
    for heading in ("min", "median", "max", "vs nginx", "others", "busy", "a second"):
        table.add_column(heading, justify="right")
    for row in table_rows:
        table.add_row(
            row.server,
            *(f"{value:.1f}" for value in (row.least, row.median, row.most)),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            f"{row.others:.1f}",
            f"{row.busy:.0%}" if row.busy else "",
            f"{row.rate:.0f}",
        )
    console.print(table)
    agreed = {row.tls for row in table_rows}
    told = agreed if len(agreed) == 1 else [f"{row.server}: {row.tls}" for row in table_rows]
    console.print("; ".join(told), style="dim")


def missed(all_rows: Sequence[Row]) -> list[str]:
    """A sentence for each goal that the gateway was measured against and does not reach."""
    return [
        f"{row.scenario}: {row.ratio:.2f} times {REFERENCE}, the goal is {goal:.0f}"
        for row in all_rows
        if row.server == GATEWAY
        and row.ratio is not None
        and (goal := GOALS.get(row.scenario)) is not None
        and row.ratio > goal
    ]


def write_json(
    directory: Path,
    plan: Plan,
    all_rows: Sequence[Row],
    samples: Sequence[Sample],
    foreign: float,
) -> Path:
    """Write the whole run to a new file in `directory` and return its path.

    `foreign` is how many CPUs other programs kept busy on average.
    """
    now = dt.datetime.now(dt.UTC)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{now:%Y%m%dT%H%M%SZ}.json"
    content = {
        "time": now.isoformat(),
        "machine": _machine(),
        "versions": _versions(plan.servers),
        "plan": asdict(plan),
        "foreign_cpus": foreign,
        "rows": [asdict(row) for row in all_rows],
        "samples": [asdict(sample) for sample in samples],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def _machine() -> dict[str, str]:
    cpus = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {"kernel": platform.release(), "cpu": f"{len(cpus)} x {cpus[0] if cpus else 'unknown'}"}


def _versions(servers: Sequence[str]) -> dict[str, str]:
    commands = {"nginx": ["nginx", "-V"], "haproxy": ["haproxy", "-vv"]}
    found = {"gateway's OpenSSL": OpenSSL.SSL.SSLeay_version(0).decode()}
    for name, command in commands.items():
        if name in servers:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
            lines = (done.stdout + done.stderr).splitlines()
            told = [line for line in lines if "version" in line or "OpenSSL" in line]
            found[name] = "; ".join(told[:3])
    return found
