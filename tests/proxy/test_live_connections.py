"""A change cuts the connections that it touches, at once, and nobody else notices anything."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from gateway.core.decision import Reauthentication, TokenValidFrom
from gateway.core.mailbox import Mailbox
from gateway.core.reasons import Reason
from gateway.core.username_binding import BindingRules, CertificateField, UsernameBinding
from gateway.proxy.downstream import Downstream
from gateway.proxy.index import certificate_key, device_key, name_key
from gateway.proxy.judge import Judge, Rules
from gateway.proxy.verdicts import Verdicts
from gateway.tasks import Tasks
from tests.helpers import Pki
from tests.proxy.bed import OTHER_USER, PING, Bed, Crls, Phone, bed, eventually, ok, post

BOB_PING = PING.replace("alice", "bob").replace("d1", "d2")


@pytest.fixture
async def plane(pki: Pki) -> AsyncIterator[Bed]:
    """A data plane that follows changes, and a mail server that holds every request."""
    async with bed(pki) as one:
        one.crls.issuers = frozenset((_issuing_id(one),))
        await one.follow()
        one.mail.script = one.mail.hold
        yield one


def _issuing_id(plane: Bed) -> str:
    return next(i for i, a in plane.directory.authorities.items() if a.authority_type)


async def _held(plane: Bed, query: str = PING) -> Phone:
    """A phone whose request the mail server holds."""
    device = plane.pki.alice if "alice" in query else plane.pki.bob
    phone, before = await plane.phone(device), len(plane.mail.requests)
    phone.writer.write(post(b"x", query=query))
    await eventually(lambda: len(plane.mail.requests) > before)
    return phone


async def _idle(plane: Bed) -> Phone:
    """Alice's phone, between two requests."""
    plane.mail.script = plane.mail.echo
    phone = await plane.phone()
    assert (await phone.ask(post())).status == 200
    plane.mail.script = plane.mail.hold
    return phone


def _verdicts(connection: Downstream) -> Verdicts:
    assert connection._dialogue is not None
    return connection._dialogue.verdicts


async def _follow(plane: Bed) -> None:
    await plane.follow()


def _revoke_user(plane: Bed) -> None:
    now = datetime.now(UTC)
    change = plane.directory.change_id + 1
    plane.directory.valid_from["alice@example.test"] = TokenValidFrom(now, change)


def _block(plane: Bed) -> None:
    plane.directory.blocked.add(plane.pki.alice.serial_number)


def _revoke_certificate(plane: Bed) -> None:
    plane.crls.revoked.add(plane.pki.alice.serial_number)


def _disable(plane: Bed) -> None:
    alice, bob = plane.directory.mailboxes
    plane.directory.mailboxes = (replace(alice, enabled=False), bob)


def _remove(plane: Bed) -> None:
    plane.directory.mailboxes = plane.directory.mailboxes[1:]


def _give_address_away(plane: Bed) -> None:
    alice, bob = plane.directory.mailboxes
    plane.directory.mailboxes = (alice, replace(bob, proxy_addresses=("ALICE@example.test",)))


CHANGES: tuple[tuple[Callable[[Bed], None], int, Reason], ...] = (
    (_revoke_user, 503, Reason.BEFORE_TOKEN_VALID_FROM),
    (_block, 403, Reason.CERTIFICATE_BLOCKED),
    (_revoke_certificate, 403, Reason.CERTIFICATE_REVOKED),
    (_disable, 403, Reason.MAILBOX_DISABLED),
    (_remove, 403, Reason.UNKNOWN_MAILBOX),
    (_give_address_away, 403, Reason.AMBIGUOUS_SAN),
)
EACH = pytest.mark.parametrize(("change", "status", "reason"), CHANGES)


class TestTouched:
    """Whom a change touches."""

    @EACH
    @pytest.mark.parametrize("query", [PING, PING.replace("Ping", "Sync")])
    async def test_a_held_request_is_answered_and_called_off(
        self, plane: Bed, change: Callable[[Bed], None], status: int, reason: Reason, query: str
    ) -> None:
        """By its reason, once on record; both connections end, and the gauge goes back."""
        phone = await _held(plane, query)
        plane.audit()
        change(plane)
        await plane.follow()
        answer = await phone.read()
        assert (answer.status, answer.get("connection")) == (status, ["close"])
        assert await phone.ended() == b""
        await plane.mail.left()
        (record,) = plane.audit()
        assert (record["decision"], record["reason"]) == ("deny", reason)
        assert record["device_id"] == "d1"
        assert record["reference"] in answer.body.decode()
        assert plane.counters.held_requests == 0
        assert plane.counters.decisions[reason] == 1

    @EACH
    async def test_an_idle_connection_is_closed(
        self, plane: Bed, change: Callable[[Bed], None], status: int, reason: Reason
    ) -> None:
        """Without a word that nobody asked for, once on record; no answer is counted."""
        phone = await _idle(plane)
        plane.audit()
        change(plane)
        await plane.follow()
        assert await phone.ended() == b""
        assert [r["reason"] for r in plane.audit()] == [reason]
        assert ("Sync", status) not in plane.counters.requests

    @EACH
    async def test_cut_phones_do_not_all_come_back_at_once(
        self, plane: Bed, change: Callable[[Bed], None], status: int, reason: Reason
    ) -> None:
        """Each is told its own time, 1 to 30 seconds, by a 403 as by a 503."""
        queries = [PING.replace("d1", f"device{number}") for number in range(12)]
        phones = [await _held(plane, query) for query in queries]
        change(plane)
        await plane.follow()
        times = [int((await phone.read()).get("retry-after")[0]) for phone in phones]
        assert all(1 <= seconds <= 30 for seconds in times)
        assert len(set(times)) > 1

    async def test_a_running_download_breaks_off(self, plane: Bed) -> None:
        """The device sees that something is missing, and the mail server is left."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await plane.mail.receive(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
            await reader.read()
            raise ConnectionError

        plane.mail.script = script
        phone = await plane.phone()
        phone.writer.write(post())
        await phone.reader.readuntil(b"begun")
        _block(plane)
        await plane.follow()
        assert await phone.ended() == b""
        await plane.mail.left()

    async def test_a_running_upload_is_refused(self, plane: Bed) -> None:
        """What is left of it reaches nobody."""
        phone = await plane.phone()
        phone.writer.write(post(b"x" * 1000)[:-500])
        await eventually(lambda: plane.mail.heads == 1)
        _block(plane)
        await plane.follow()
        phone.writer.write(b"x" * 500)
        assert (await phone.read()).status == 403
        await plane.mail.left()
        assert plane.mail.requests == []

    async def test_what_the_device_did_not_take_yet_is_dropped(self, plane: Bed) -> None:
        """A slow reader gets no more of an answer that was ready before the change."""
        plane.mail.replies(ok(b"x" * 8_000_000))
        phone = await plane.phone()
        transport = cast("asyncio.Transport", phone.writer.transport)
        transport.pause_reading()
        phone.writer.write(post())
        (connection,) = plane.connections
        await eventually(lambda: connection._writes_stuck_since > 0)
        _block(plane)
        await plane.follow()
        transport.resume_reading()
        assert len(await phone.ended()) < 8_000_000

    async def test_a_root_that_goes_takes_its_phones_along(self, plane: Bed) -> None:
        """UNTRUSTED_CHAIN, whoever they are."""
        phones = [await _held(plane), await _held(plane, BOB_PING)]
        plane.directory.authorities = {
            i: a for i, a in plane.directory.authorities.items() if a.authority_type
        }
        await plane.follow()
        assert [(await phone.read()).status for phone in phones] == [403, 403]

    async def test_a_request_between_two_slices_is_judged_by_the_new_facts(
        self, plane: Bed
    ) -> None:
        """The judge is another before the first connection has been looked at."""
        phone = await _idle(plane)
        _block(plane)
        (connection,) = plane.connections
        assert connection._dialogue is not None
        tasks = Tasks()
        following = tasks.spawn(_follow(plane), name="follow")
        await asyncio.sleep(0)
        connection._dialogue.receive(post())
        assert (await phone.read()).status == 403
        await following

    async def test_one_who_was_refused_before_stays_connected(self, plane: Bed) -> None:
        """It was told; it may ask again when it likes, and is let in when it may."""
        _block(plane)
        await plane.follow()
        phone = await plane.phone()
        assert (await phone.ask(post())).status == 403
        plane.directory.blocked.clear()
        plane.mail.script = plane.mail.echo
        await plane.follow()
        assert (await phone.ask(post())).status == 200


class TestUntouched:
    """Whom it does not."""

    @EACH
    async def test_notices_nothing(
        self, plane: Bed, change: Callable[[Bed], None], status: int, reason: Reason
    ) -> None:
        """The same request goes on, nothing is put on record, and the verdict still stands."""
        cut, kept = await _held(plane), await _held(plane, BOB_PING)
        plane.audit()
        change(plane)
        await plane.follow()
        assert (await cut.read()).status == status
        (left,) = (c for c in plane.connections if c in plane.find(name_key("bob@example.test")))
        assert _verdicts(left)._epoch == plane.judge.epoch
        assert len(plane.mail.requests) == 2
        assert [r["reason"] for r in plane.audit()] == [reason]
        plane.mail.script = plane.mail.echo
        kept.close()

    async def test_its_verdict_is_not_even_made_again(self, plane: Bed) -> None:
        """After a change that names another mailbox alone."""
        kept = await _held(plane, BOB_PING)
        (connection,) = plane.connections
        before = _verdicts(connection)._verdict
        _revoke_user(plane)
        await plane.follow()
        assert _verdicts(connection).current(None) is before
        kept.close()

    async def test_a_new_crl_that_lists_nobody_is_taken_over(self, plane: Bed) -> None:
        """The verdict is made again, for its time limit, and is not put on record."""
        kept = await _held(plane)
        plane.audit()
        plane.crls.revoked.add(1)
        await plane.follow()
        assert plane.audit() == []
        assert len(plane.mail.requests) == 1
        kept.close()

    async def test_a_mailbox_that_gets_another_address_goes_on(self, plane: Bed) -> None:
        """And the next request goes by the new mailbox."""
        phone = await _idle(plane)
        plane.mail.script = plane.mail.echo
        alice, bob = plane.directory.mailboxes
        plane.directory.mailboxes = (replace(alice, proxy_addresses=("a@example.test",)), bob)
        await plane.follow()
        query = "Cmd=Sync&User=a%40example.test&DeviceId=d1&DeviceType=x"
        assert (await phone.ask(post(query=query))).status == 200

    async def test_a_change_after_one_that_was_not_followed_counts_for_both(
        self, plane: Bed
    ) -> None:
        """A verdict older than the last state is never kept without a look."""
        phone = await _held(plane)
        plane.judge.epoch += 1
        plane.crls.revoked.add(plane.pki.alice.serial_number)
        plane.crls.issuers = frozenset()
        await plane.follow()
        assert (await phone.read()).status == 403

    async def test_after_a_suspension_everybody_is_looked_at(self, plane: Bed) -> None:
        """A verdict that says that nothing is known does not live on."""
        phone = await _held(plane)
        plane.judge.suspend()
        plane.audit()
        await plane.follow()
        assert plane.audit() == []
        assert plane.counters.held_requests == 1
        phone.close()


class TestOver:
    """Verdicts that no longer stand, although nothing that they name has changed."""

    async def test_a_held_request_ends_with_the_crl(self, plane: Bed) -> None:
        """At nextUpdate it is asked again what is known, which is nothing now."""
        phone = await _held(plane)
        cast("Crls", plane.judge.known[1]).known = False
        await plane.judge_over()
        assert plane.counters.held_requests == 1
        plane.now = lambda: time.time() + 3601
        await plane.judge_over()
        answer = await phone.read()
        assert (answer.status, answer.get("connection")) == (503, ["close"])
        assert 1 <= int(answer.get("retry-after")[0]) <= 30
        await plane.mail.left()
        assert plane.audit()[-1]["reason"] == Reason.REVOCATION_UNKNOWN

    async def test_a_held_request_ends_with_the_certificate(self, plane: Bed) -> None:
        """OUTSIDE_VALIDITY, as it would be at a handshake."""
        phone = await _held(plane)
        end = plane.pki.alice.certificate.not_valid_after_utc.timestamp()
        plane.now = lambda: end + 1
        await plane.judge_over()
        assert (await phone.read()).status == 403
        assert plane.audit()[-1]["reason"] == Reason.OUTSIDE_VALIDITY

    async def test_a_held_request_goes_on_under_a_newer_crl(self, plane: Bed) -> None:
        """The verdict that ran out is made again, and nobody notices."""
        phone = await _held(plane)
        plane.audit()
        plane.now = lambda: time.time() + 3601
        await plane.judge_over()
        assert plane.counters.held_requests == 1
        assert plane.audit() == []
        phone.close()

    async def test_nobody_is_held_while_too_little_is_known(self, plane: Bed) -> None:
        """Whoever waits is put off, at times of their own; idle connections stay."""
        queries = [PING.replace("d1", f"device{number}") for number in range(12)]
        phones = [await _held(plane, query) for query in queries]
        idle = await _idle(plane)
        plane.judge.suspend()
        await plane.judge_over()
        answers = [await phone.read() for phone in phones]
        assert {answer.status for answer in answers} == {503}
        assert len({answer.get("retry-after")[0] for answer in answers}) > 1
        plane.mail.script = plane.mail.echo
        await plane.follow()
        assert (await idle.ask(post())).status == 200

    async def test_other_rules_end_what_is_held_by_the_old_ones(self, plane: Bed) -> None:
        """The certificate names nobody by the new ones; the judge is another, as after a reload."""
        phone = await _held(plane)
        fields = (UsernameBinding.usual(CertificateField.SKI),)
        judge = Judge(
            Rules(BindingRules(fields), Reauthentication.FRESH_CRL), plane.directory, plane.crls
        )
        judge.epoch = plane.judge.epoch + 1
        plane.services.judge = judge
        await plane.judge_over()
        assert (await phone.read()).status == 403
        assert plane.audit()[-1]["reason"] == Reason.UNKNOWN_MAILBOX

    async def test_a_request_for_the_mailbox_of_before_is_not_held_on(self, plane: Bed) -> None:
        """All that the certificate names is bob's now: what alice's Ping would tell is not his."""
        phone = await _held(plane)
        bob = Mailbox("bob@example.test", proxy_addresses=("alice@example.test",))
        plane.directory.mailboxes = (bob,)
        await plane.follow()
        assert (await phone.read()).status == 403
        await plane.mail.left()
        assert plane.audit()[-1]["reason"] == Reason.USER_MISMATCH

    async def test_a_change_that_is_being_followed_is_not_run_over(self, plane: Bed) -> None:
        """What it does not touch is not made again for want of the new epoch."""
        phone = await _held(plane, BOB_PING)
        (connection,) = plane.connections
        before = _verdicts(connection)._verdict
        _revoke_user(plane)
        tasks = Tasks()
        following = tasks.spawn(_follow(plane), name="follow")
        await asyncio.sleep(0)
        assert connection.is_over
        await plane.judge_over()
        assert connection.is_over
        await following
        assert _verdicts(connection).current(None) is before
        phone.close()


class TestIndex:
    """Where connections are found."""

    async def test_by_mailbox_certificate_and_device(self, plane: Bed) -> None:
        """Each as long as the connection lives."""
        phone = await _held(plane)
        other = await _held(plane, PING.replace("Ping", "Sync"))
        issuer = _issuing_id(plane)
        keys = (
            name_key("alice@example.test"),
            certificate_key(issuer, plane.pki.alice.serial_number),
            device_key("d1"),
        )
        assert [len(plane.find(key)) for key in keys] == [2, 2, 2]
        phone.close()
        await eventually(lambda: len(plane.connections) == 1)
        assert [len(plane.find(key)) for key in keys] == [1, 1, 1]
        other.close()
        await eventually(lambda: not plane.connections)
        assert [len(plane.find(key)) for key in keys] == [0, 0, 0]

    async def test_by_the_device_that_it_serves_last(self, plane: Bed) -> None:
        """Another DeviceId takes the place of the one before."""
        phone = await _idle(plane)
        plane.mail.script = plane.mail.echo
        query = "Cmd=Sync&User=alice%40example.test&DeviceId=d9&DeviceType=x"
        assert (await phone.ask(post(query=query))).status == 200
        found = [len(plane.find(device_key(one))) for one in ("d1", "d9")]
        assert found == [0, 1]

    async def test_who_was_not_let_in_is_not_found(self, plane: Bed) -> None:
        """There is nothing to cut off."""
        plane.directory.mailboxes = (Mailbox("bob@example.test"),)
        await plane.follow()
        phone = await plane.phone()
        assert (await phone.ask(post(query=OTHER_USER))).status == 403
        assert not plane.find(name_key("alice@example.test"))
