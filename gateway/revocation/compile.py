"""From the octets of a CRL to a staged index, in this process or in one of its own.

Python sorts half a million entries in one go, during which no other thread of its process runs:
large CRLs are compiled by a process of its own (`gateway.revocation.compile_process`). It puts
nothing in place, so that it may be killed, or outlive who asked, without harm.
"""

import asyncio
import pickle
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.core.authority import Authority
from gateway.core.crl import (
    AcceptedCrl,
    CrlKind,
    RevocationList,
    verify_crl,
    verify_delta_crl,
)
from gateway.errors import CrlError
from gateway.revocation.index import stage_index
from gateway.revocation.threads import in_thread

# Below this the loop of a busy process is held up for a few milliseconds at most.
_APART_BYTES: Final = 512 * 1024
_LONGEST_SECONDS: Final = 120
_PROCESS: Final = "gateway.revocation.compile_process"
_VERIFY: Final = {CrlKind.BASE: verify_crl, CrlKind.DELTA: verify_delta_crl}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to compile.

    Attributes:
        data: the file with the CRL.
        index: the index that it is to become; another file beside it is written.
        authority, kind, signer, previous, accept_rollback, now, clock_skew: as `verify_crl` has it.
    """

    data: Path
    index: Path
    authority: Authority
    kind: CrlKind
    signer: bytes | None
    previous: AcceptedCrl | None
    accept_rollback: bool
    now: datetime
    clock_skew: timedelta


@dataclass(frozen=True, slots=True)
class Compiled:
    """A CRL that is believed, how many entries it has, and its index, to be put in place."""

    accepted: AcceptedCrl
    entries: int
    staged: Path


async def compiled(order: Order) -> Compiled:
    """The outcome of `order`, made off the event loop.

    Raises CrlError if the CRL is not believed, OSError if it cannot be read or the index written.
    """
    size = await in_thread(lambda: order.data.stat().st_size)
    if size < _APART_BYTES:
        return await in_thread(lambda: compile_here(order))
    return await _compile_apart(order)


def compile_here(order: Order) -> Compiled:
    """As `compiled`, in this thread."""
    crl = _VERIFY[order.kind](
        order.data.read_bytes(),
        order.authority,
        now=order.now,
        clock_skew=order.clock_skew,
        previous=order.previous,
        signer=order.signer,
        accept_rollback=order.accept_rollback,
    )
    accepted_at = order.now
    if order.previous is not None and _is_same(crl, order.previous):
        # A CRL that was in force before keeps the time it was accepted at.
        accepted_at = order.previous.accepted_at
    staged = stage_index(order.index, crl, accepted_at)
    return Compiled(AcceptedCrl(crl.facts, accepted_at), len(crl.entries), staged)


async def _compile_apart(order: Order) -> Compiled:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _PROCESS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            answer, _ = await process.communicate(pickle.dumps(order))
    except TimeoutError as error:
        raise CrlError(f"the CRL is not compiled after {_LONGEST_SECONDS} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CrlError(f"the process that compiles the CRL ended with {process.returncode}")
    outcome = pickle.loads(answer)  # noqa: S301 (our own process wrote it)
    if isinstance(outcome, Compiled):
        return outcome
    if isinstance(outcome, CrlError | OSError):
        raise outcome
    raise AssertionError(f"{outcome!r} is no outcome")


def _is_same(crl: RevocationList, previous: AcceptedCrl) -> bool:
    facts, last = crl.facts, previous.facts
    if facts.digest == last.digest:
        return True
    same_number = facts.crl_number is not None and facts.crl_number == last.crl_number
    return same_number and facts.this_update == last.this_update
