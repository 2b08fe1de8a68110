"""Devices: judged at each request, told to the registry, wiped."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.core.decision import TokenValidFrom
from gateway.core.device import (
    Access,
    Characteristic,
    Device,
    DeviceCertificate,
    DeviceRule,
    Wipe,
    WipeKind,
    WipeState,
)
from gateway.core.device_access import DevicePolicy, Pin
from gateway.core.device_registry import DeviceRegistry
from gateway.core.wbxml import decode, element, encode
from tests.helpers import Pki
from tests.proxy.bed import PING, Answer, Bed, Phone, bed, eventually, post

_ALICE = "alice@example.test"
_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_DEVICE = Device(_ALICE, "d1", _LONG_AGO, _LONG_AGO)
_FULL = Wipe(WipeState.PENDING, WipeKind.FULL, _LONG_AGO)
_ACCOUNT = Wipe(WipeState.PENDING, WipeKind.ACCOUNT_ONLY, _LONG_AGO)
_AGENT = "User-Agent: Apple-iPhone/1.0\r\n"

_EMPTY = encode(element("Provision:Provision"))
_DONE = encode(
    element(
        "Provision:Provision", element("Provision:RemoteWipe", element("Provision:Status", "1"))
    )
)
_FAILED = encode(
    element(
        "Provision:Provision", element("Provision:RemoteWipe", element("Provision:Status", "2"))
    )
)
_SAYS = encode(
    element(
        "Settings:Settings",
        element(
            "Settings:DeviceInformation",
            element(
                "Settings:Set",
                element("Settings:Model", "Pixel 9"),
                element("Settings:OS", "Android 16"),
            ),
        ),
    )
)


def _query(command: str, device_id: str = "d1") -> str:
    return f"Cmd={command}&User=alice%40example.test&DeviceId={device_id}&DeviceType=iPhone"


def _provision(body: bytes = _EMPTY, version: str = "14.1") -> bytes:
    raw = post(body, query=_query("Provision"))
    return raw.replace(b"MS-ASProtocolVersion: 14.1", f"MS-ASProtocolVersion: {version}".encode())


def _status(answer: Answer, path: str = "AirSync:Status") -> str | None:
    assert answer.status == 200
    return decode(answer.body).text_at(path)


async def _registered(plane: Bed, *devices: Device, rules: tuple[DeviceRule, ...] = ()) -> None:
    plane.directory.devices = DeviceRegistry.of(devices, rules)
    await plane.follow()


async def _held(plane: Bed, query: str = PING) -> Phone:
    plane.mail.script = plane.mail.hold
    phone = await plane.phone()
    phone.writer.write(post(b"x", query=query))
    await eventually(lambda: len(plane.mail.requests) == 1)
    return phone


def _denied(plane: Bed) -> list[dict[str, Any]]:
    return [one for one in plane.audit() if one["decision"] == "deny"]


class TestAccess:
    """Blocked, quarantined, one too many."""

    @pytest.mark.parametrize(
        ("access", "reason"),
        [
            (Access.BLOCK, "DEVICE_BLOCKED"),
            (Access.QUARANTINE, "DEVICE_QUARANTINED"),
        ],
    )
    async def test_a_refusal_is_in_the_schema_of_the_command(
        self, plane: Bed, access: Access, reason: str
    ) -> None:
        """Status 129, the mail server hears nothing, the audit trail has the reason and device."""
        await _registered(plane, replace(_DEVICE, access=access))
        phone = await plane.phone()
        for _ in range(2):
            assert _status(await phone.ask(post())) == "129"
        assert plane.mail.requests == []
        record = _denied(plane)[-1]
        assert (record["reason"], record["device_id"]) == (reason, "d1")

    async def test_an_older_phone_gets_403(self, plane: Bed) -> None:
        """It knows no status common to all commands; the connection stays."""
        await _registered(plane, replace(_DEVICE, access=Access.BLOCK))
        phone = await plane.phone()
        old = post().replace(b"MS-ASProtocolVersion: 14.1", b"MS-ASProtocolVersion: 12.1")
        assert (await phone.ask(old)).status == 403
        assert (await phone.ask(post(query=_query("Sync", "other")))).status == 200

    async def test_a_device_that_is_allowed_syncs_on_the_same_connection(self, plane: Bed) -> None:
        """What an administrator says counts from the next request on, both ways."""
        await _registered(plane, replace(_DEVICE, access=Access.QUARANTINE))
        phone = await plane.phone()
        assert _status(await phone.ask(post())) == "129"
        await _registered(plane, replace(_DEVICE, access=Access.ALLOW))
        assert (await phone.ask(post())).body == b"ok"
        assert (await phone.ask(post())).body == b"ok"
        await _registered(plane, replace(_DEVICE, access=Access.BLOCK))
        assert _status(await phone.ask(post())) == "129"

    async def test_a_held_ping_is_answered_when_its_device_is_blocked(self, plane: Bed) -> None:
        """In its own schema, and nobody else notices; the connection stays."""
        await _registered(plane, _DEVICE)
        phone = await _held(plane)
        other = await plane.phone()
        other.writer.write(post(b"y", query=PING.replace("d1", "d2")))
        await eventually(lambda: len(plane.mail.requests) == 2)
        await _registered(plane, replace(_DEVICE, access=Access.BLOCK))
        assert _status(await phone.read(), "Ping:Status") == "129"
        assert _status(await phone.ask(post(query=PING)), "Ping:Status") == "129"
        assert plane.counters.held_requests == 1

    async def test_options_is_answered_for_any_device(self, plane: Bed) -> None:
        """It does nothing, and says nothing of the mailbox."""
        await _registered(plane, replace(_DEVICE, access=Access.BLOCK))
        phone = await plane.phone()
        raw = post(method="OPTIONS", query="User=alice%40example.test&DeviceId=d1&DeviceType=x")
        assert (await phone.ask(raw)).status == 200

    async def test_the_default_and_rules(self, plane: Bed) -> None:
        """A rule by user agent lets in what the default keeps out."""
        plane.services.devices = DevicePolicy(default_access=Access.QUARANTINE)
        rule = DeviceRule(1, Characteristic.USER_AGENT, "Apple*", Access.ALLOW)
        await _registered(plane, rules=(rule,))
        phone = await plane.phone()
        assert _status(await phone.ask(post())) == "129"
        assert (await phone.ask(post(headers=_AGENT))).body == b"ok"
        assert _status(await phone.ask(post())) == "129"

    async def test_a_device_that_calls_itself_another_type(self, plane: Bed) -> None:
        """It is judged by what each request says."""
        rule = DeviceRule(1, Characteristic.DEVICE_TYPE, "iPhone", Access.BLOCK)
        await _registered(plane, rules=(rule,))
        phone = await plane.phone()
        other = post(query=_query("Sync").replace("iPhone", "iPad"))
        assert (await phone.ask(other)).body == b"ok"
        assert _status(await phone.ask(post(query=_query("Sync")))) == "129"
        assert (await phone.ask(other)).body == b"ok"

    async def test_one_device_too_many(self, plane: Bed) -> None:
        """Status 177, and the registry is not told of it."""
        plane.services.devices = DevicePolicy(limit=1)
        await _registered(plane, _DEVICE)
        phone = await plane.phone()
        assert _status(await phone.ask(post(query=_query("Sync", "d2")))) == "177"
        assert plane.messages("device") == []

    async def test_a_device_that_is_tied_to_another_certificate(self, plane: Bed) -> None:
        """Status 129, by the certificate of the connection."""
        plane.services.devices = DevicePolicy(pin=Pin.DEVICE_TO_CERTIFICATE)
        phone = await plane.phone()
        assert (await phone.ask(post())).status == 200
        (told,) = plane.messages("device")
        shown = told["certificate"]
        assert shown["serial"] == f"{plane.pki.alice.serial_number:x}"
        (connection,) = plane.connections
        assert connection.verdicts is not None
        certificate = connection.verdicts.device_certificate()
        assert certificate is not None
        await _registered(plane, replace(_DEVICE, certificate=certificate))
        assert (await phone.ask(post())).status == 200
        await _registered(
            plane, replace(_DEVICE, certificate=replace(certificate, serial_number=1))
        )
        assert _status(await phone.ask(post())) == "129"

    async def test_a_doubled_user_agent_has_no_meaning(self, plane: Bed) -> None:
        """A rule must see the one that the mail server sees."""
        phone = await plane.phone()
        assert (await phone.ask(post(headers=_AGENT + _AGENT))).status == 400


class TestRegistry:
    """What the registry is told."""

    async def test_of_a_device(self, plane: Bed) -> None:
        """All that its requests say, once."""
        await _registered(plane, _DEVICE)
        phone = await plane.phone()
        for _ in range(3):
            await phone.ask(post(headers=_AGENT + "X-MS-PolicyKey: 7\r\n", query=_query("Sync")))
        (told,) = plane.messages("device")
        assert (told["mailbox_key"], told["device_id"]) == (_ALICE, "d1")
        assert (told["device_type"], told["user_agent"]) == ("iPhone", "Apple-iPhone/1.0")
        assert (told["protocol_version"], told["policy_key"]) == ("14.1", 7)

    async def test_of_what_is_new(self, plane: Bed) -> None:
        """Another user agent, version or policy key is told at once; what is left out is not."""
        await _registered(plane, _DEVICE)
        phone = await plane.phone()
        await phone.ask(post(headers=_AGENT + "X-MS-PolicyKey: 7\r\n"))
        assert len(plane.messages("device")) == 1
        await phone.ask(post(headers=_AGENT, query=PING))
        assert plane.messages("device") == []
        await phone.ask(post(headers=_AGENT + "X-MS-PolicyKey: 8\r\n"))
        await phone.ask(post(headers=_AGENT.replace("1.0", "2.0")))
        newer = post(headers=_AGENT.replace("1.0", "2.0")).replace(b": 14.1", b": 16.1")
        await phone.ask(newer)
        told = plane.messages("device")
        assert [one["policy_key"] for one in told] == [8, None, None]
        assert [one["user_agent"][-3:] for one in told] == ["1.0", "2.0", "2.0"]
        assert told[-1]["protocol_version"] == "16.1"

    async def test_of_a_few_policy_keys_a_connection(self, plane: Bed) -> None:
        """Who names ever new ones fills neither memory nor the registry."""
        await _registered(plane, _DEVICE)
        phone = await plane.phone()
        for key in range(30):
            assert (await phone.ask(post(headers=f"X-MS-PolicyKey: {key}\r\n"))).status == 200
        assert len(plane.messages("device")) == 16

    async def test_of_the_beginning_of_a_long_user_agent(self, plane: Bed) -> None:
        """What is compared with rules, and kept, is no larger than what the registry has."""
        rule = DeviceRule(1, Characteristic.USER_AGENT, "*end", Access.BLOCK)
        await _registered(plane, _DEVICE, rules=(rule,))
        phone = await plane.phone()
        assert (await phone.ask(post(headers=f"User-Agent: {'a' * 256}end\r\n"))).status == 200
        assert plane.messages("device")[-1]["user_agent"] == "a" * 256
        assert _status(await phone.ask(post(headers="User-Agent: the end\r\n"))) == "129"

    async def test_again_after_an_hour_on_the_same_connection(self, plane: Bed) -> None:
        """The verdict is made anew then, without a further record, and the registry hears."""
        await _registered(plane, _DEVICE)
        phone = await plane.phone()
        await phone.ask(post())
        edition = _edition(plane)
        clock = plane.now
        plane.now = lambda: clock() + 3599
        plane.crls.known = True
        await phone.ask(post())
        assert _edition(plane) == edition
        plane.now = lambda: clock() + 3601
        await phone.ask(post())
        assert _edition(plane) == edition + 1
        assert len([one for one in plane.audit() if one["decision"] == "allow"]) == 1

    @pytest.mark.parametrize("access", [Access.ALLOW, Access.QUARANTINE])
    async def test_of_what_it_says_of_itself(self, plane: Bed, access: Access) -> None:
        """Model and OS are read in passing, from a refused request too; the bytes are the same."""
        await _registered(plane, replace(_DEVICE, access=access))
        phone = await plane.phone()
        answer = await phone.ask(post(_SAYS, query=_query("Settings")))
        told = plane.messages("device")[-1]
        assert (told["model"], told["os"]) == ("Pixel 9", "Android 16")
        if access is Access.ALLOW:
            assert plane.mail.requests[0].body == _SAYS
        else:
            assert _status(answer, "Settings:Status") == "129"
            assert plane.mail.requests == []

    async def test_a_body_that_is_no_document_is_the_mail_servers(self, plane: Bed) -> None:
        """It is passed on as it is."""
        phone = await plane.phone()
        assert (await phone.ask(post(b"nonsense", query=_query("Settings")))).body == b"ok"
        assert plane.mail.requests[0].body == b"nonsense"

    async def test_a_large_one_goes_on_unread(self, plane: Bed) -> None:
        """Beyond 64 KiB nothing is looked for."""
        phone = await plane.phone()
        assert (await phone.ask(post(bytes(70_000), query=_query("Settings")))).body == b"ok"
        assert len(plane.mail.requests[0].body) == 70_000


class TestWipe:
    """A device that is to be wiped."""

    @pytest.mark.parametrize(
        ("version", "key", "status"), [("14.1", "", 200), ("12.1", "7", 449), ("12.1", "", 403)]
    )
    async def test_any_command_is_told_to_provision(
        self, plane: Bed, version: str, key: str, status: int
    ) -> None:
        """Status 140, or 449 for older phones with a policy key; the mail server hears nothing."""
        await _registered(plane, replace(_DEVICE, wipe=_FULL))
        headers = f"X-MS-PolicyKey: {key}\r\n" if key else ""
        raw = post(headers=headers).replace(b": 14.1", f": {version}".encode())
        answer = await (await plane.phone()).ask(raw)
        assert answer.status == status
        if status == 200:
            assert _status(answer) == "140"
        assert plane.mail.requests == []

    async def test_the_dialogue(self, plane: Bed) -> None:
        """Directive, acknowledgement, record; then the registry says that it is blocked."""
        await _registered(plane, replace(_DEVICE, wipe=_FULL))
        phone = await plane.phone()
        answer = await phone.ask(_provision())
        assert _status(answer, "Provision:Status") == "1"
        assert decode(answer.body).find("Provision:RemoteWipe") is not None
        (sent,) = plane.messages("wipe")
        assert (sent["mailbox_key"], sent["device_id"], sent["state"]) == (_ALICE, "d1", "sent")
        answer = await phone.ask(_provision(_DONE))
        assert _status(answer, "Provision:Status") == "1"
        assert decode(answer.body).find("Provision:RemoteWipe") is None
        (done,) = plane.messages("wipe")
        assert done["state"] == "acknowledged"
        await _registered(
            plane, replace(_DEVICE, wipe=replace(_FULL, state=WipeState.ACKNOWLEDGED))
        )
        assert _status(await phone.ask(post())) == "129"
        assert _status(await phone.ask(_provision()), "Provision:Status") == "129"
        assert plane.mail.requests == []

    async def test_a_failure_is_recorded_and_told_again(self, plane: Bed) -> None:
        """The directive goes out with Status 2 (MS-ASPROV section 3.2.5.1.2.2)."""
        await _registered(plane, replace(_DEVICE, wipe=_FULL))
        answer = await (await plane.phone()).ask(_provision(_FAILED))
        assert _status(answer, "Provision:Status") == "2"
        assert decode(answer.body).find("Provision:RemoteWipe") is not None
        assert [one["state"] for one in plane.messages("wipe")] == ["failed"]

    async def test_nonsense_is_told_too(self, plane: Bed) -> None:
        """Whatever a Provision says, its answer is the directive."""
        await _registered(plane, replace(_DEVICE, wipe=_FULL))
        answer = await (await plane.phone()).ask(_provision(b"nonsense"))
        assert decode(answer.body).find("Provision:RemoteWipe") is not None

    async def test_a_blocked_device_is_wiped_all_the_same(self, plane: Bed) -> None:
        """And one whose command or version is not let through, for it is told nothing else."""
        await _registered(plane, replace(_DEVICE, access=Access.BLOCK, wipe=_FULL))
        plane.services.caps = replace(plane.services.caps, commands=frozenset({"Sync"}))
        phone = await plane.phone()
        assert _status(await phone.ask(post())) == "140"
        answer = await phone.ask(_provision())
        assert decode(answer.body).find("Provision:RemoteWipe") is not None

    async def test_a_held_ping_ends_at_once(self, plane: Bed) -> None:
        """Status 140, upon which the device provisions on the same connection."""
        await _registered(plane, _DEVICE)
        phone = await _held(plane)
        await _registered(plane, replace(_DEVICE, wipe=_FULL))
        assert _status(await phone.read(), "Ping:Status") == "140"
        answer = await phone.ask(_provision())
        assert decode(answer.body).find("Provision:RemoteWipe") is not None

    async def test_account_only_takes_16_1(self, plane: Bed) -> None:
        """An older version is refused, since it knows no such directive."""
        await _registered(plane, replace(_DEVICE, wipe=_ACCOUNT))
        phone = await plane.phone()
        assert _status(await phone.ask(_provision()), "Provision:Status") == "129"
        answer = await phone.ask(_provision(version="16.1"))
        assert decode(answer.body).find("Provision:AccountOnlyRemoteWipe") is not None

    @pytest.mark.parametrize("revoked", ["disabled", "token"])
    async def test_a_device_whose_mailbox_is_refused(self, plane: Bed, revoked: str) -> None:
        """It may speak Provision alone, answered here: the certificate says who it is."""
        await _refuse_mailbox(plane, revoked)
        phone = await plane.phone()
        assert _status(await phone.ask(post())) == "140"
        answer = await phone.ask(_provision())
        assert decode(answer.body).find("Provision:RemoteWipe") is not None
        await phone.ask(_provision(_DONE))
        assert [one["state"] for one in plane.messages("wipe")] == ["sent", "acknowledged"]
        assert plane.mail.requests == []

    async def test_but_not_as_somebody_else(self, plane: Bed) -> None:
        """Another user's request, or another device, gets what it would have got."""
        await _refuse_mailbox(plane, "disabled")
        phone = await plane.phone()
        other = _provision().replace(b"User=alice", b"User=bob")
        assert (await phone.ask(other)).status == 403
        assert (await phone.ask(_provision().replace(b"d1", b"d2"))).status == 403
        assert (await phone.ask(post(method="OPTIONS", query=""))).status == 403
        assert plane.messages("wipe") == []

    @pytest.mark.parametrize("disabled", [False, True])
    async def test_nor_with_another_certificate_than_that_of_its_pin(
        self, plane: Bed, *, disabled: bool
    ) -> None:
        """A second phone of the mailbox cannot acknowledge the wipe of the first one."""
        plane.services.devices = DevicePolicy(pin=Pin.DEVICE_TO_CERTIFICATE)
        if disabled:
            await _refuse_mailbox(plane, "disabled")
        pinned = DeviceCertificate("another-ca", 1, _LONG_AGO)
        await _registered(plane, replace(_DEVICE, certificate=pinned, wipe=_FULL))
        answer = await (await plane.phone()).ask(_provision(_DONE))
        if disabled:
            assert answer.status == 403
        else:
            assert _status(answer, "Provision:Status") == "129"
        assert plane.messages("wipe") == []
        assert plane.mail.requests == []

    async def test_a_revoked_certificate_gets_nothing(self, plane: Bed) -> None:
        """It proves nothing any more."""
        plane.directory.devices = DeviceRegistry.of([replace(_DEVICE, wipe=_FULL)])
        plane.crls.revoked.add(plane.pki.alice.serial_number)
        await plane.follow()
        phone = await plane.phone()
        assert (await phone.ask(_provision())).status == 403
        assert plane.messages("wipe") == []

    async def test_a_held_ping_of_a_user_who_is_revoked(self, plane: Bed) -> None:
        """The wipe is what its device is told, in place of the denial."""
        await _registered(plane, _DEVICE)
        phone = await _held(plane)
        await _refuse_mailbox(plane, "token")
        assert _status(await phone.read(), "Ping:Status") == "140"

    async def test_an_acknowledgement_that_cannot_be_recorded(self, plane: Bed) -> None:
        """The device is asked to come again: a wipe is not lost by a full channel."""
        await _registered(plane, replace(_DEVICE, wipe=_FULL))
        phone = await plane.phone()
        assert (await phone.ask(_provision())).status == 200
        plane._sender.close()
        assert (await phone.ask(_provision(_DONE))).status == 503

    async def test_a_change_while_the_body_comes(self, pki: Pki) -> None:
        """A Settings that began before the device was blocked does not reach the mail server."""
        async with bed(pki) as plane:
            await _registered(plane, _DEVICE)
            phone = await plane.phone()
            phone.writer.write(post(_SAYS, query=_query("Settings"))[:-1])
            await eventually(lambda: plane.services.looked_into.held > 0)
            await _registered(plane, replace(_DEVICE, access=Access.BLOCK))
            assert _status(await phone.read(), "Settings:Status") == "129"
            await asyncio.sleep(0)
            assert plane.mail.requests == []


def _edition(plane: Bed) -> int:
    (connection,) = plane.connections
    assert connection.verdicts is not None
    return connection.verdicts.edition


async def _refuse_mailbox(plane: Bed, how: str) -> None:
    plane.directory.devices = DeviceRegistry.of([replace(_DEVICE, wipe=_FULL)])
    if how == "disabled":
        alice, bob = plane.directory.mailboxes
        plane.directory.mailboxes = (replace(alice, enabled=False), bob)
    else:
        now = datetime.now(UTC) + timedelta(seconds=0)
        plane.directory.valid_from[_ALICE] = TokenValidFrom(now, plane.directory.change_id + 1)
    await plane.follow()
