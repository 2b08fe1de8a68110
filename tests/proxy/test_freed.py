"""What a connection took is free once it has ended, without the garbage collector.

Connections live long, and what is old and dead is looked for so seldom that phones which roam would
fill the memory of a worker.
"""

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.helpers import Pki
from tests.proxy.bed import PING, Bed, Phone, bed, eventually, post


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No cycle is found while a test runs."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _alive() -> Counter[str]:
    names = (
        "Downstream",
        "Dialogue",
        "Turn",
        "TlsSession",
        "Verdicts",
        "RequestReader",
        "Exchange",
    )
    found = (type(one).__name__ for one in gc.get_objects())
    return Counter(name for name in found if name in names)


async def _end(plane: Bed, phone: Phone, way: str) -> None:
    if way == "held":
        plane.mail.script = plane.mail.hold
        phone.writer.write(post(query=PING))
        await eventually(lambda: plane.mail.heads == 2)
        phone.close()
    elif way == "reset":
        phone.close()
    elif way == "half a request":
        phone.writer.write(post(b"body")[:-2])
        await eventually(lambda: any(one._dialogue.in_body for one in plane.connections))  # type: ignore[union-attr]  # it is there
        phone.close()
    else:
        phone.writer.close()
    await eventually(lambda: not plane.connections)


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("way", ["closed", "reset", "held", "half a request"])
async def test_nothing_is_left(pki: Pki, way: str) -> None:
    """However the phone has gone."""
    async with bed(pki) as plane:
        before = _alive()
        phone = await plane.phone()
        await phone.ask(post())
        assert _alive()["Downstream"] == before["Downstream"] + 1
        await _end(plane, phone, way)
        await eventually(lambda: _alive() == before)
