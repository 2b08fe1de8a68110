"""`eas-gateway probe`: act as a phone, step by step, and say which step failed and why."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import click

from gateway.cli.options import json_option
from gateway.cli.probe_output import Lines, as_dictionary, junit, markdown, step_lines, summary
from gateway.cli.probe_reason import with_reasons
from gateway.cli.probe_target import Prepared, TargetOptions, prepare
from gateway.cli.probe_watch import Silent, Watch, watch
from gateway.cli.profile_input import File
from gateway.cli.tables import print_json
from gateway.config import load
from gateway.errors import ProfileError
from gateway.probe.run import OPTIONAL, Progress, probe
from gateway.probe.step import Outcome, Report
from gateway.probe.target import VERSIONS


class Versions(click.ParamType[tuple[str, ...]]):
    """Protocol versions with commas between them."""

    name = "LIST"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The versions; a usage error if one is not known."""
        if isinstance(value, tuple):
            return value
        found = tuple(dict.fromkeys(one.strip() for one in value.split(",")))
        unknown = [one for one in found if one not in VERSIONS]
        if unknown:
            self.fail(f"{unknown[0]!r} is none of {', '.join(VERSIONS)}", param, ctx)
        return found


@click.command("probe")
@click.argument("target", metavar="TARGET")
@click.option("--certificate", type=File, metavar="FILE", help="The device's, with its chain.")
@click.option("--key", type=File, metavar="FILE", help="Its private key, unencrypted.")
@click.option("--p12", type=File, metavar="FILE", help="Both as PKCS#12.")
@click.option(
    "--p12-password-file", type=File, metavar="FILE", help="Its password, else it is asked for."
)
@click.option("--user", metavar="NAME", help="User of the requests; else of the certificate.")
@click.option("--email", metavar="ADDRESS", help="For Autodiscover; else of the certificate.")
@click.option(
    "--ca", type=File, multiple=True, metavar="FILE", help="CAs to know the server by, alone."
)
@click.option(
    "--connect-to", metavar="HOST[:PORT]", help="Connect there in place of the target's host."
)
@click.option("--header", multiple=True, metavar="'NAME: VALUE'", help="A further header field.")
@click.option("--device-id", metavar="ID", help="DeviceId; else one of its own, always the same.")
@click.option(
    "--versions", type=Versions(), default=",".join(VERSIONS), metavar="LIST", help="To be tried."
)
@click.option(
    "--heartbeat", type=click.IntRange(1, 3540), default=5, show_default=True, help="Of Ping, s."
)
@click.option(
    "--timeout", type=click.FloatRange(0.1, 600), default=20, show_default=True, help="In seconds."
)
@click.option("--other-user", metavar="NAME", help="Whose mailbox must stay closed.")
@click.option("--revoked-certificate", type=File, metavar="FILE", help="One to be refused.")
@click.option("--revoked-key", type=File, metavar="FILE", help="Its private key.")
@click.option("--show-subjects", is_flag=True, help="Tell the subjects of messages.")
@click.option(
    "--skip",
    type=click.Choice(OPTIONAL),
    multiple=True,
    metavar="STEP",
    help=f"Leave a step out; repeat for more: {', '.join(OPTIONAL)}.",
)
@click.option(
    "-c",
    "--config",
    "config_path",
    type=File,
    metavar="FILE",
    help="On the gateway's machine: its configuration, to look its own reasons up.",
)
@json_option
@click.option("--junit", "junit_path", type=File, metavar="FILE", help="Write JUnit's XML there.")
@click.option(
    "--report", "report_path", type=File, metavar="FILE", help="Write a report to send on."
)
@click.option("--watch", "watch_seconds", type=click.FloatRange(1, 86400), help="Repeat; seconds.")
@click.option("--metrics-address", default="127.0.0.1", show_default=True, help="With --watch.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), default=9091, show_default=True)
def command(  # noqa: PLR0913 (one argument an option)
    *,
    target: str,
    config_path: Path | None,
    as_json: bool,
    junit_path: Path | None,
    report_path: Path | None,
    watch_seconds: float | None,
    metrics_address: str,
    metrics_port: int,
    **options: Unpack[TargetOptions],
) -> int:
    """Go to TARGET as a phone would and say which step fails, why, and what to change.

    TARGET is https://HOST[:PORT][/PATH], or a profile's file: .mobileconfig, Intune's JSON or
    Gmail's managed configuration. The status is 0 if phones get in and strangers do not, 1 if a
    problem was found, 2 for a wrong usage or a file that cannot be read.
    """
    if config_path is not None:
        load(config_path)  # before anything is sent
    prepared = prepare(target, options, config_path)
    if watch_seconds is not None:
        if as_json or junit_path or report_path:
            raise click.UsageError("--watch has metrics, and no --json, --junit or --report")
        how = Watch(watch_seconds, metrics_address, metrics_port)
        asyncio.run(watch(lambda: _probe(prepared, Silent(), config_path), how))
        return 0
    lines = Lines(quiet=as_json or config_path is not None)
    report = asyncio.run(_probe(prepared, lines, config_path))
    _print(report, as_json=as_json, late=config_path is not None)
    _write(junit_path, "--junit", lambda: junit(report))
    _write(report_path, "--report", lambda: markdown(report).encode())
    return int(report.outcome is Outcome.FAILED)


async def _probe(prepared: Prepared, progress: Progress, config_path: Path | None) -> Report:
    report = await probe(prepared.target, prepared.plan, progress, profile=prepared.profile)
    if config_path is None:
        return report
    return await asyncio.to_thread(with_reasons, report, prepared.target, config_path)


def _print(report: Report, *, as_json: bool, late: bool) -> None:
    if as_json:
        print_json(as_dictionary(report))
        return
    if late:
        for line in (line for step in report.steps for line in step_lines(step)):
            click.echo(line)
    click.echo(f"\n{report.outcome.value}: {summary(report)}")


def _write(path: Path | None, option: str, content: Callable[[], bytes]) -> None:
    if path is None:
        return
    try:
        path.write_bytes(content())
    except OSError as error:
        raise ProfileError(f"{option}: {path} cannot be written: {error.strerror}") from error
