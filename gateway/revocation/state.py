"""What is remembered of each CRL source between refreshes: a small JSON file for each authority."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.core.crl import AcceptedCrl
from gateway.revocation.fetch import Validators
from gateway.revocation.files import replace
from gateway.revocation.index import accepted_from_json, accepted_to_json


@dataclass(frozen=True, slots=True)
class SourceState:
    """The last fetch of one CRL, and the last CRL that was accepted from there.

    Attributes:
        url: where it was fetched.
        fetched_at: when it was last asked for, UTC.
        ok: that fetch brought a CRL to believe, or said that the one in force is the current one.
        not_modified: that fetch brought nothing new.
        detail: one sentence about it.
        validators: what to ask with next time.
        accepted: remembered even if the index is lost, so that no older CRL takes its place.
        download_seconds: how long the last whole download took; None before the first.
    """

    url: str
    fetched_at: datetime
    ok: bool
    not_modified: bool
    detail: str
    validators: Validators
    accepted: AcceptedCrl | None
    download_seconds: float | None = None


States = dict[str, SourceState]
"""By the name of the source: base, delta, or `CrlSource.name`."""


def state_path(directory: Path, authority_id: str) -> Path:
    """Where the state of an authority lies."""
    return directory / f"{authority_id}.json"


def read_states(directory: Path, authority_id: str) -> States:
    """What is remembered; nothing where there is no file, or none that can be read."""
    try:
        value = json.loads(state_path(directory, authority_id).read_text(encoding="utf-8"))
        return {str(name): _from_json(one) for name, one in value.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_states(directory: Path, authority_id: str, states: States) -> None:
    """Remember `states` in place of what was; raises OSError."""
    value = {name: _to_json(one) for name, one in states.items()}
    replace(state_path(directory, authority_id), [json.dumps(value, indent=1).encode()])


def _to_json(state: SourceState) -> dict[str, Any]:
    return {
        "url": state.url,
        "fetched_at": state.fetched_at.isoformat(),
        "ok": state.ok,
        "not_modified": state.not_modified,
        "detail": state.detail,
        "validators": asdict(state.validators),
        "accepted": accepted_to_json(state.accepted) if state.accepted else None,
        "download_seconds": state.download_seconds,
    }


def _from_json(value: dict[str, Any]) -> SourceState:
    return SourceState(
        url=str(value["url"]),
        fetched_at=datetime.fromisoformat(value["fetched_at"]),
        ok=bool(value["ok"]),
        not_modified=bool(value["not_modified"]),
        detail=str(value["detail"]),
        validators=Validators(**value["validators"]),
        accepted=accepted_from_json(value["accepted"]) if value["accepted"] else None,
        download_seconds=value.get("download_seconds"),
    )
