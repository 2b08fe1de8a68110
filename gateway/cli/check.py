"""`eas-gateway check`: every problem in one pass."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.check_listener import check_certificate, check_descriptors, check_ports
from gateway.cli.check_store import check_store
from gateway.cli.check_upstream import check_upstream
from gateway.cli.findings import Finding, State, fail
from gateway.cli.options import config_option, json_option
from gateway.config import Config, load


@click.command("check")
@config_option
@json_option
def command(config_path: Path | None, *, as_json: bool) -> int:
    """Look at configuration, certificates, CRLs, store, ports and mail server; change nothing.

    One line for each thing: ok, warn or fail. The status is 1 if something fails, 2 if the
    configuration cannot be used at all. It may be run beside a running gateway.
    """
    findings = list(check(load(config_path)))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.state.value:<4}  {finding.subject}: {finding.detail}")
    return int(any(finding.state is State.FAIL for finding in findings))


def check(config: Config) -> Iterable[Finding]:
    """All findings, as they are made."""
    now = datetime.now(UTC)
    yield from check_certificate(config, now)
    yield from check_store(config, now)
    if not config.upstream:
        yield fail("upstream", "no mail server; name it in an [[upstream]] table")
    for upstream in config.upstream:
        yield from check_upstream(upstream)
    yield from check_ports(config)
    yield from check_descriptors(config)
