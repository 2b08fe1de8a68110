"""The command line of the comparison: `python -m bench --only nginx,gateway --requests 20000`.

`python -m bench fleet` lets simulated devices live instead.
"""

import shutil
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console

from bench import fleet_command, processes, report
from bench.measure import Plan, Sample, Scenario, measure
from bench.peers import PEERS
from bench.processes import BenchError

_QUIET = 0.1  # CPUs that other programs may use before the figures are not to be believed
_CPU, _MEMORY = "CPU us each", "KiB each"
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("request", "requests", "Request on a kept connection", _CPU),
        Scenario("request-paced", "requests", "The same at 2000 a second", _CPU, per_second=2000),
        Scenario("handshake", "handshakes", "Full handshake and a request, TLS 1.3", _CPU),
        Scenario("handshake-new", "handshakes", "Each phone for the first time", _CPU, new=True),
        Scenario("handshake-bare", "handshakes", "Without tickets", _CPU, tickets=False),
        Scenario("handshake-tls12", "handshakes", "The same in TLS 1.2", _CPU, tls="1.2"),
        Scenario("handshake-rsa", "handshakes", "The same, RSA-2048 server key", _CPU, "rsa"),
        Scenario("held", "held", "Memory of a held Ping", _MEMORY),
    )
}


def _names(known: dict[str, object], option: str, text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(known)}", param_hint=option)
    return names


@click.group(invoke_without_command=True, context_settings={"show_default": True})
@click.option("--only", default=",".join(PEERS), help="Servers, in the order of their turns.")
@click.option("--scenario", default=",".join(SCENARIOS), help="What to measure.")
@click.option("--rounds", default=21, type=click.IntRange(1), help="Rounds; one more warms up.")
@click.option(
    "--requests",
    default=5_000,
    type=click.IntRange(1),
    help="Requests of one server in one round.",
)
@click.option(
    "--handshakes",
    default=300,
    type=click.IntRange(1),
    help="Handshakes of one server in one round.",
)
@click.option("--held", default=2_000, type=click.IntRange(1, 4000), help="Pings held at once.")
@click.option(
    "--connections", default=20, type=click.IntRange(1), help="Handshakes at once, at most."
)
@click.option(
    "--phones", default=300, type=click.IntRange(1), help="Connections that requests come on."
)
@click.option(
    "--revoked", default=100, type=click.IntRange(0), help="Entries in the issuing CA's CRL."
)
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path(__file__).parent / "results"
)
@click.pass_context
def main(context: click.Context, /, only: str, scenario: str, results: Path, **counts: int) -> None:
    """Measure the gateway beside other reverse proxies; exit 1 if it misses a goal."""
    if context.invoked_subcommand is not None:
        return
    servers = _names(dict(PEERS), "--only", only)
    names = _names(dict(SCENARIOS), "--scenario", scenario)
    plan = Plan(servers=servers, scenarios=[SCENARIOS[name] for name in names], **counts)
    console = Console()
    try:
        samples, foreign = _samples(plan)
    except BenchError as error:
        click.echo(f"bench: {error}", err=True)
        context.exit(2)
    all_rows: list[report.Row] = []
    for item in plan.scenarios:
        found = report.rows(item, samples)
        report.print_table(item, found, console)
        all_rows += found
    path = report.write_json(results, plan, all_rows, samples, foreign)
    console.print(f"Everything measured: {path}", soft_wrap=True)
    if foreign > _QUIET:
        console.print(
            f"Other programs kept {foreign:.1f} CPUs busy: measure again when it is quiet."
        )
    misses = report.missed(all_rows)
    for sentence in misses:
        console.print(f"Missed: {sentence}")
    context.exit(1 if misses else 0)


def _samples(plan: Plan) -> tuple[list[Sample], float]:
    """All samples, and how many CPUs other programs used meanwhile."""
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    samples: list[Sample] = []
    began, foreign = time.monotonic(), processes.foreign_cpu_seconds()
    for sample in measure(plan, directory):
        samples.append(sample)
        figures = f"{sample.worker:10.1f}{sample.others:10.1f}"
        click.echo(f"{sample.scenario:16}{sample.server:10}{figures}", err=True)
    used = processes.foreign_cpu_seconds() - foreign
    shutil.rmtree(directory)  # what failed stays, for its logs
    return samples, used / (time.monotonic() - began)


main.add_command(fleet_command.command)

if __name__ == "__main__":
    main()
