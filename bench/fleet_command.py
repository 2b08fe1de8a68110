"""`python -m bench fleet`: simulated devices against a gateway of their own."""

import datetime as dt
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from bench import fleet_report
from bench.fleet_plot import svg
from bench.fleet_run import FleetPlan, live, own_gateway
from bench.habits import Habits
from bench.processes import BenchError
from bench.seen import Seen


@click.command("fleet", context_settings={"show_default": True})
@click.option("--devices", default=500, type=click.IntRange(1, 20_000), help="How many there are.")
@click.option(
    "--seconds",
    default=60.0,
    type=click.FloatRange(5, 86_400),
    help="How long the run is; devices begin over its first third, half a minute at most.",
)
@click.option(
    "--pace",
    default=60.0,
    type=click.FloatRange(1, 600),
    help="Seconds of a device's life in one second; 1 is as devices really are.",
)
@click.option("--mail-every", default=600.0, type=click.FloatRange(1), help="Seconds of its life.")
@click.option(
    "--network-change-every",
    default=1800.0,
    type=click.FloatRange(1),
    help="Seconds of its life after which a device leaves its connection without a word.",
)
@click.option(
    "--processes", default=1, type=click.IntRange(1, 16), help="Processes that devices live in."
)
@click.option("--workers", default=1, type=click.IntRange(1, 64), help="Of the gateway.")
@click.option("--seed", default=0, help="Another one has devices do other things.")
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path(__file__).parent / "results"
)
@click.pass_context
def command(  # noqa: PLR0913 (one argument an option)
    context: click.Context,
    *,
    devices: int,
    seconds: float,
    pace: float,
    mail_every: float,
    network_change_every: float,
    processes: int,
    workers: int,
    seed: int,
    results: Path,
) -> None:
    """Let simulated devices live with a gateway; exit 1 if anything went wrong for them."""
    plan = FleetPlan(
        devices=devices,
        seconds=seconds,
        processes=processes,
        workers=workers,
        mail_seconds=mail_every,
        habits=Habits(pace=pace, network_change=network_change_every),
        seed=seed,
    )
    folder = Path(tempfile.mkdtemp(prefix="bench-fleet-"))
    try:
        with own_gateway(folder, plan) as target:
            seen = live(plan, target)
    except BenchError as error:
        click.echo(f"bench: {error}", err=True)
        context.exit(2)
    shutil.rmtree(folder)  # what failed stays, for its logs
    for line in fleet_report.lines(seen):
        click.echo(line)
    for file in write(results, plan, seen):
        click.echo(f"written: {file}")
    context.exit(1 if seen.errors else 0)


def write(results: Path, plan: FleetPlan, seen: Seen) -> tuple[Path, Path]:
    """The files with all that was seen, JSON, and its course as SVG."""
    results.mkdir(parents=True, exist_ok=True)
    stem = f"fleet-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
    data, picture = results / f"{stem}.json", results / f"{stem}.svg"
    whole = {"plan": asdict(plan), "seen": seen.to_json()}
    data.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    title = f"{plan.devices} devices, one second is {plan.habits.pace:g} of their life"
    picture.write_text(svg(seen, title), encoding="utf-8")
    return data, picture
