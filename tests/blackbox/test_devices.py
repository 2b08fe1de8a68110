"""A device as administrators and its owner meet it: kept out, let in, wiped, all by commands."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.probe.device import Device
from gateway.probe.outcome import Failure, Folders, Pinged, Provisioned
from tests.blackbox import bed as beds
from tests.blackbox.bed import PATIENCE_SECONDS, POLL_SECONDS, Bed, set_up
from tests.real import crl_server

_DENIED, _WIPE_REQUESTED = 129, 140


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A gateway that keeps new devices out, before the demo mail server."""
    with beds.demo_mail_server() as port:
        made = beds.new_bed(tmp_path, port)
        with made.config.open("a") as config:
            config.write('\n[devices]\ndefault_access = "quarantine"\n')
        with crl_server.serving(made.pki.directory) as url:
            set_up(made, url)
            yield made


def _device(bed: Bed, version: str = "14.1") -> Device:
    folder = bed.pki.directory
    return Device(
        url=f"https://localhost:{bed.port}",
        user="alice@example.test",
        device_id="phone1",
        ca=folder / "root.pem",
        certificate=folder / "alice.pem",
        key=folder / "alice.key",
        protocol_version=version,
    )


async def _until_status(ask: Callable[[], Awaitable[object]], status: int) -> None:
    """Return once an answer has the status; a worker follows a change within a second."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if getattr(await ask(), "status", None) == status:
                return
            await asyncio.sleep(POLL_SECONDS)


async def _until_registered(bed: Bed, capsys: pytest.CaptureFixture[str]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            bed.cli("device", "list")
            if "phone1" in capsys.readouterr().out:
                return
            await asyncio.sleep(POLL_SECONDS)


async def test_a_quarantined_device_is_allowed_and_syncs_on_the_same_connection(
    bed: Bed, capsys: pytest.CaptureFixture[str]
) -> None:
    """It sees a status of its own command, then its folders; no new certificate or connection."""
    with bed.running():
        async with _device(bed) as device:
            refused = await device.folder_sync()
            assert isinstance(refused, Folders)
            assert refused.status == _DENIED
            await _until_registered(bed, capsys)
            bed.cli("device", "allow", "phone1")
            await _until_status(device.folder_sync, 1)
            assert device.connections == 1


@pytest.mark.parametrize(("version", "options"), [("14.1", ()), ("16.1", ("--account-only",))])
async def test_a_wipe_reaches_the_device_and_its_acknowledgement_is_recorded(
    bed: Bed, version: str, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its held Ping ends, Provision brings the directive, and after it the device is blocked."""
    with bed.running():
        async with _device(bed, version) as device:
            await device.folder_sync()
            await _until_registered(bed, capsys)
            bed.cli("device", "allow", "phone1")
            await _until_status(device.folder_sync, 1)
            wipe = asyncio.to_thread(bed.cli, "device", "wipe", "phone1", "--yes", *options)
            async with asyncio.timeout(PATIENCE_SECONDS):
                ended, _ = await asyncio.gather(device.ping(("inbox",), 600), wipe)
            assert isinstance(ended, Pinged | Failure)
            assert getattr(ended, "status", None) == _WIPE_REQUESTED
            directed = await device.provision()
            assert isinstance(directed, Provisioned)
            assert directed.wipe
            done = await device.acknowledge_wipe(account_only=bool(options))
            assert isinstance(done, Provisioned)
            assert (done.status, done.wipe) == (1, False)
            await _until_status(device.folder_sync, _DENIED)
    capsys.readouterr()
    bed.cli("device", "show", "phone1")
    assert "acknowledged" in capsys.readouterr().out
