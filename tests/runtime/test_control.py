"""The control process, as a real one: probes, metrics, the audit trail, CRLs, and its end."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.config import load
from gateway.core.authority import Authority
from gateway.core.certificate import ClientCertificate
from gateway.core.device import Device
from gateway.core.mailbox import Mailbox
from gateway.runtime import sockets
from gateway.runtime.process import ProcessArguments
from gateway.runtime.settings import SettingsWriter
from gateway.store.sqlite import FILE_NAME
from gateway.store.store import Store
from gateway.telemetry.audit import AuditRecord
from gateway.telemetry.channel import Sender, open_channel
from gateway.telemetry.counters import Counters
from gateway.telemetry.messages import (
    audit_message,
    counters_message,
    device_message,
    log_message,
    restarts_message,
    route_message,
    seen_message,
)
from tests.helpers import Pki

_SECONDS = 20
_MAIN = """
import sys
from gateway.runtime.control import main
from gateway.runtime.process import ProcessArguments
sys.exit(main(eval(sys.argv[1])))
"""


class Running:
    """A control process and the ends that its supervisor would hold."""

    def __init__(self, process: Process, sender: Sender, lifeline: int, port: int) -> None:
        self.process = process
        self.sender = sender
        self.logs: list[dict[str, Any]] = []
        self._lifeline = lifeline
        self._url = f"http://127.0.0.1:{port}"

    async def logged(self, event: str) -> dict[str, Any]:
        """Wait for a log line of this event."""
        async with asyncio.timeout(_SECONDS):
            while await self._read():
                if self.logs[-1]["event"] == event:
                    return self.logs[-1]
        raise AssertionError(f"it ended without {event}: {self.logs}")

    async def received(self) -> None:
        """All that was sent before has arrived."""
        self.sender.send(log_message(1, "test.received"))
        await self.logged("test.received")

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of an answer of the admin listener."""
        async with aiohttp.ClientSession() as session, session.get(self._url + path) as answer:
            return answer.status, await answer.text()

    async def metric(self, name: str, wanted: Callable[[float], bool] = lambda _: True) -> float:
        """The value of a metric without regard to labels, once it is as `wanted`."""
        async with asyncio.timeout(_SECONDS):
            while True:
                _, text = await self.get("/metrics")
                for family in text_string_to_metric_families(text):
                    for sample in family.samples:
                        if sample.name == f"eas_gateway_{name}" and wanted(sample.value):
                            return sample.value
                await asyncio.sleep(0.05)

    def cut_lifeline(self) -> None:
        """As if the supervisor were gone."""
        os.close(self._lifeline)
        self._lifeline = -1

    async def end(self) -> int:
        """Wait for its end; its exit code."""
        async with asyncio.timeout(_SECONDS):
            while await self._read():
                pass
            return await self.process.wait()

    async def close(self) -> None:
        """Nothing of it is left."""
        if self.process.returncode is None:
            self.process.kill()
        await self.end()
        self.sender.close()
        if self._lifeline >= 0:
            self.cut_lifeline()

    async def _read(self) -> bool:
        assert self.process.stderr is not None
        line = await self.process.stderr.readline()
        if line:
            self.logs.append(json.loads(line))
        return bool(line)


def _config(directory: Path) -> Path:
    path = directory / "config.toml"
    path.write_text(
        """
        [listen]
        certificate = "config.toml"  # control has no use for it; it must be a file
        private_key = "config.toml"
        [state]
        directory = "state"
        """,
        encoding="utf-8",
    )
    return path


@contextlib.asynccontextmanager
async def _control(config: Path) -> AsyncIterator[Running]:
    reading, writing = open_channel()
    hearing, saying = open_channel()
    hearing.close()
    lifeline, held = os.pipe()
    settings = SettingsWriter(load(config))
    with reading, sockets.listen("127.0.0.1", 0, backlog=16, section="admin") as listener:
        arguments = ProcessArguments(
            settings_fd=settings.fd,
            listen_fd=listener.fileno(),
            channel_fd=reading.fileno(),
            status_fd=saying.fileno(),
            lifeline_fd=lifeline,
            number=0,
            workers=1,
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _MAIN,
            repr(arguments),
            pass_fds=arguments.descriptors,
            stderr=PIPE,
        )
        os.close(lifeline)
        settings.close()
        saying.close()
        port = listener.getsockname()[1]
    running = Running(process, Sender(writing.detach()), held, port)
    try:
        yield running
    finally:
        await running.close()


@pytest.fixture
async def control(tmp_path: Path, store: Store, root: Authority) -> AsyncIterator[Running]:
    """A control process over a store that knows one root."""
    store.authorities.add(root)
    async with _control(_config(tmp_path)) as running:
        await running.logged("control.started")
        yield running


async def test_it_is_alive_at_once_and_ready_when_the_workers_report(control: Running) -> None:
    """A load balancer sends phones only to a gateway whose workers run."""
    assert await control.get("/healthz") == (200, '{"alive": true}')
    status, text = await control.get("/readyz")
    assert status == 503
    assert json.loads(text)["missing"] == ["worker 1 has not reported for 5 s"]
    control.sender.send(counters_message(1, Counters()))
    await control.received()
    assert (await control.get("/readyz"))[0] == 200


async def test_it_is_ready_as_long_as_the_workers_serve(control: Running, tmp_path: Path) -> None:
    """They may do so from memory while the store is away, and a load balancer is to let them."""
    control.sender.send(counters_message(1, Counters()))
    store = tmp_path / "state" / FILE_NAME
    store.rename(store.with_name("away"))
    await control.logged("store.unreadable")
    assert (await control.get("/readyz"))[0] == 200
    control.sender.send(counters_message(1, Counters(serves=False)))
    await control.received()
    status, text = await control.get("/readyz")
    assert status == 503
    [missing] = json.loads(text)["missing"]
    assert missing.startswith("worker 1 lets nobody in: the store ")


async def test_metrics_are_what_workers_and_supervisor_said(control: Running) -> None:
    """From the channel to the text format."""
    control.sender.send(counters_message(1, Counters(connections_accepted=42)))
    control.sender.send(restarts_message({"worker-1": 3}))
    await control.received()
    assert await control.metric("connections_total") == 42
    assert await control.metric("process_restarts_total") == 3


async def test_the_clock_of_the_store_is_in_the_metrics(control: Running) -> None:
    """An embedded store has the clock of its machine."""
    assert abs(await control.metric("store_clock_difference_seconds")) < 1


async def test_crls_are_fetched_and_in_the_metrics(control: Running) -> None:
    """Nobody had to ask for them."""
    assert await control.metric("crl_fetch_success", bool) == 1
    assert await control.metric("crl_remaining_seconds") > 0


async def test_a_clean_end_stores_what_is_in_the_pipe(
    control: Running, store: Store, pki: Pki
) -> None:
    """Workers end first; their last words are written before control ends."""
    at = datetime.now(UTC)
    certificate = ClientCertificate.from_der(pki.alice.der)
    control.process.send_signal(signal.SIGSTOP)  # so that all of it is still in the pipe
    for number in range(150):
        record = AuditRecord(at=at, reference=str(number), decision="deny", mailbox="a@b.test")
        assert control.sender.send(audit_message(record))
    assert control.sender.send(
        seen_message(certificate, issuer_id="ab", mailbox_key="alice@example.test", at=at)
    )
    for number in range(30):
        device = Device("alice@example.test", f"d{number}", at, at)
        assert control.sender.send(device_message(device))
    control.process.terminate()
    control.process.send_signal(signal.SIGCONT)
    assert await control.end() == 0
    stored = [one.record["reference"] for one in store.audit.list(upn="a@b.test")]
    assert stored == [str(number) for number in range(150)]
    [seen] = store.certificates.seen("alice@example.test")
    assert seen.serial_number == pki.alice.serial_number
    devices = [one.device_id for one in store.devices.list("alice@example.test")]
    assert devices == sorted(f"d{number}" for number in range(20)), "as many as [devices] allows"
    assert control.logs[-1]["event"] == "control.ended"


async def test_a_mailbox_that_a_server_sent_elsewhere_is_stored(
    control: Running, store: Store
) -> None:
    """For the other workers and nodes; one that is gone meanwhile stops nothing."""
    store.mailboxes.add(Mailbox("alice@example.test"))
    for key, upstream in (("gone@x.test", "b"), ("alice@example.test", "second")):
        assert control.sender.send(route_message(key, upstream))
    await control.received()
    control.process.terminate()
    assert await control.end() == 0
    assert store.mailboxes.get("alice@example.test").upstream == "second"


async def test_it_ends_when_the_supervisor_is_gone(control: Running) -> None:
    """No process is left behind, however the supervisor died."""
    control.cut_lifeline()
    assert await control.end() == 0


async def test_a_revocation_asks_for_the_crls_at_once(control: Running, store: Store) -> None:
    """A phone that has a new certificate need not wait for the next routine fetch."""
    await control.logged("crl.refreshed")
    await asyncio.to_thread(store.mailboxes.add, Mailbox(upn="alice@example.test"))
    await asyncio.to_thread(store.valid_from.revoke, "alice@example.test")
    assert (await control.logged("crl.refreshed"))["not_modified"] is True


async def test_a_store_that_cannot_be_opened_is_a_sentence_and_code_1(tmp_path: Path) -> None:
    """The supervisor tries again; the log says why."""
    (tmp_path / "state").write_text("in the way", encoding="utf-8")
    async with _control(_config(tmp_path)) as running:
        assert await running.end() == 1
        assert running.logs[-1]["event"] == "control.failed"
        assert str(tmp_path / "state") in running.logs[-1]["detail"]
