"""A device before SOGo: in quarantine, let in by a command, wiped; read by others' programs."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pyactivesync
import pytest

from gateway.probe.device import Device
from gateway.probe.outcome import Failure, Folders, Provisioned
from gateway.probe.transport import Answer, Call, client_context, exchange
from tests.real import gateway_process
from tests.real.gateway_process import Gateway
from tests.real.mail import deliver
from tests.real.phone import Phone
from tests.real.sogo.bed import ALICE, Bed
from tests.real.test_wbxml import xml_of

_FOLLOW_SECONDS = 30.0
_POLL_SECONDS = 0.05
_DENIED = 129


@pytest.fixture
def gateway(bed: Bed, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that keeps new devices out."""
    more = '\n[devices]\ndefault_access = "quarantine"\n'
    with gateway_process.running(tmp_path, bed, more) as running:
        yield running


class _Wire:
    """Carries a device's requests, and keeps the bodies of the answers."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.bodies: list[bytes] = []

    async def __call__(self, call: Call) -> Answer | Failure:
        answer = await exchange(self._session, call)
        if isinstance(answer, Answer):
            self.bodies.append(answer.body)
        return answer


def _until_registered(gateway: Gateway, device_id: str) -> None:
    deadline = time.monotonic() + _FOLLOW_SECONDS
    while device_id not in gateway.cli("device", "list"):
        assert time.monotonic() < deadline, "the device is not registered"
        time.sleep(_POLL_SECONDS)


def _inbox(phone: Phone) -> str:
    """The inbox, once the gateway has followed the command that lets the phone in."""
    deadline = time.monotonic() + _FOLLOW_SECONDS
    while True:
        try:
            return phone.inbox()
        except pyactivesync.EASError:
            assert time.monotonic() < deadline, "the phone is not let in"
            time.sleep(_POLL_SECONDS)


def test_a_quarantined_phone_sees_the_refusal_is_allowed_and_syncs(
    gateway: Gateway, bed: Bed
) -> None:
    """The status of its own command first; then its mail, with the certificate that it had."""
    with contextlib.closing(gateway.phone("alice", user=ALICE)) as phone:
        with pytest.raises(pyactivesync.EASError, match=str(_DENIED)):
            phone.inbox()
        _until_registered(gateway, phone.device_id)
        assert "pyactivesync" in gateway.cli("device", "show", phone.device_id)  # its model
        gateway.cli("device", "allow", phone.device_id)
        _inbox(phone)
        phone.sync()
        subject = deliver(bed, ALICE)
        assert phone.sync() == [subject]


async def test_a_wipe_reaches_a_device_and_its_acknowledgement_is_recorded(
    gateway: Gateway,
) -> None:
    """Each answer is what libwbxml reads for it; SOGo's own Provision is not asked."""
    pki = gateway.pki
    tls = client_context(ca=pki / "root.pem", certificate=pki / "alice.pem", key=pki / "alice.key")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        wire = _Wire(session)
        url = f"https://localhost:{gateway.port}"
        async with Device(url=url, user=ALICE, device_id="wiped1", transport=wire) as device:
            assert (await _folders(device)).status == _DENIED
            assert xml_of(wire.bodies[-1]) == "<FolderSync><Status>129</Status></FolderSync>"
            await asyncio.to_thread(_until_registered, gateway, "wiped1")
            gateway.cli("device", "allow", "wiped1")
            await _until_status(device, 1)
            gateway.cli("device", "wipe", "wiped1", "--yes")
            await _until_status(device, 140)
            assert xml_of(wire.bodies[-1]) == "<FolderSync><Status>140</Status></FolderSync>"
            directed = await device.provision()
            assert isinstance(directed, Provisioned)
            assert directed.wipe
            assert xml_of(wire.bodies[-1]) == (
                "<Provision><Status>1</Status><RemoteWipe/></Provision>"
            )
            await device.acknowledge_wipe()
            assert xml_of(wire.bodies[-1]) == "<Provision><Status>1</Status></Provision>"
            await _until_status(device, _DENIED)
    assert "acknowledged" in gateway.cli("device", "show", "wiped1")


async def _folders(device: Device) -> Folders:
    outcome = await device.folder_sync()
    assert isinstance(outcome, Folders)
    return outcome


async def _until_status(device: Device, status: int) -> None:
    """Return once FolderSync is answered with the status; a worker follows within a second."""
    async with asyncio.timeout(_FOLLOW_SECONDS):
        while True:
            if (await _folders(device)).status == status:
                return
            await asyncio.sleep(_POLL_SECONDS)
