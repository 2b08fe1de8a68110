"""`eas-gateway ca refresh`, and the fetch that follows a change of a record."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.opening import open_revocation, open_state
from gateway.cli.options import config_option
from gateway.config import Config
from gateway.core.authority import Authority
from gateway.errors import StateError
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.revocation.fetch import Progress
    from gateway.revocation.report import RefreshResult


@click.command()
@config_option
@click.argument("authority_id", metavar="[ID]", required=False)
@click.option(
    "--accept-rollback",
    is_flag=True,
    help="Believe an older CRL of the CA ID, after it was restored; this is audited.",
)
@click.pass_context
def refresh(
    context: click.Context,
    config_path: Path | None,
    authority_id: str | None,
    *,
    accept_rollback: bool,
) -> None:
    """Fetch the CRLs of all CAs, or of one, now; exit 1 if one failed."""
    if accept_rollback and authority_id is None:
        raise click.UsageError("--accept-rollback is for one CA: name its ID")
    with open_state(config_path) as (config, store):
        if authority_id is None:
            authorities = _one_each(store.authorities.list())
        else:
            authorities = [store.authorities.get(authority_id)]
        if not authorities:
            raise StateError("there is no CA whose CRL could be fetched; `ca add` adds one")
        if accept_rollback:
            results = [_accept_rollback(config, store, authorities[0])]
        else:
            results = _refresh_all(config, authorities)
    for result in results:
        click.echo(f"{result.authority_id} {'ok' if result.ok else 'FAILED'}: {result.detail}")
        for warning in result.warnings:
            click.echo(f"warning: {warning}", err=True)
    if not all(result.ok for result in results):
        context.exit(1)


def fetch_now(config: Config, authorities: Sequence[Authority]) -> None:
    """Fetch the CRLs of CAs that were changed, and say on standard error which did not come.

    Without a CRL a CA's certificates are refused, so that it is fetched at once if it can be.
    """
    wanted = [one for one in _one_each(authorities) if not one.exempt or one.has_crl]
    for result in _refresh_all(config, wanted):
        if not result.ok:
            click.echo(
                f"{result.authority_id}: not every CRL came, and certificates that no CRL answers "
                f"for are refused: {result.detail}",
                err=True,
            )


def _one_each(authorities: Sequence[Authority]) -> list[Authority]:
    """Of each CA its first record."""
    return list({one.id: one for one in reversed(authorities)}.values())[::-1]


def _refresh_all(config: Config, authorities: Sequence[Authority]) -> list["RefreshResult"]:
    engine = open_revocation(config)
    with _progress() as progress:
        return asyncio.run(engine.refresh_all(authorities, progress=progress))


def _accept_rollback(config: Config, store: Store, authority: Authority) -> "RefreshResult":
    """Refresh with the exception, and keep who made it when, and what it did."""
    engine = open_revocation(config)
    before = engine.report(authority)
    with _progress() as progress:
        result = asyncio.run(engine.refresh(authority, accept_rollback=True, progress=progress))
    after = engine.report(authority)
    store.audit.append(
        [
            {
                "event": "crl.rollback_accepted",
                "authority": authority.id,
                "user_id": os.getuid(),
                "ok": result.ok,
                "detail": result.detail,
                "before": [one.accepted.facts.text for one in before.sources if one.accepted],
                "after": [one.accepted.facts.text for one in after.sources if one.accepted],
            }
        ]
    )
    return result


@contextmanager
def _progress() -> Iterator["Progress | None"]:
    """A bar for each download that takes a while; none where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 (a tenth of a second, seldom needed)
    from rich.progress import (  # noqa: PLC0415 (as above)
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bars = Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True), transient=True)
    tasks: dict[str, TaskID] = {}

    def tell(url: str, octets: int, total: int | None) -> None:
        if url not in tasks:
            tasks[url] = bars.add_task(url, total=total)
        bars.update(tasks[url], completed=octets)

    with bars:
        yield tell
