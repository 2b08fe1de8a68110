"""A verdict is made once, put on record once, and made anew when something changes."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.core.decision import Reauthentication, TokenValidFrom
from gateway.core.mailbox import Mailbox
from gateway.core.reasons import ANSWERS, Reason
from tests.helpers import Pki, StoredCertificate
from tests.proxy.bed import OTHER_USER, Bed, bed, post


def _block(plane: Bed) -> None:
    plane.directory.blocked.add(plane.pki.alice.serial_number)


def _revoke(plane: Bed) -> None:
    plane.crls.revoked.add(plane.pki.alice.serial_number)


def _revoke_issuing(plane: Bed) -> None:
    plane.crls.revoked.add(plane.pki.issuing.certificate.serial_number)


def _forget_crls(plane: Bed) -> None:
    plane.crls.known = False


def _forget_mailboxes(plane: Bed) -> None:
    plane.directory.mailboxes = ()


def _disable(plane: Bed) -> None:
    plane.directory.mailboxes = (Mailbox("alice@example.test", enabled=False),)


def _share_address(plane: Bed) -> None:
    first, second = plane.directory.mailboxes
    shared = replace(second, proxy_addresses=("alice@example.test",))
    plane.directory.mailboxes = (first, shared)


def _remove_root(plane: Bed) -> None:
    plane.directory.authorities = {
        key: a for key, a in plane.directory.authorities.items() if a.authority_type
    }


def _remove_issuing(plane: Bed) -> None:
    plane.directory.authorities = {
        key: a for key, a in plane.directory.authorities.items() if not a.authority_type
    }


CHANGES: tuple[tuple[Callable[[Bed], None], Reason], ...] = (
    (_block, Reason.CERTIFICATE_BLOCKED),
    (_revoke, Reason.CERTIFICATE_REVOKED),
    (_revoke_issuing, Reason.CERTIFICATE_REVOKED),
    (_forget_crls, Reason.REVOCATION_UNKNOWN),
    (_forget_mailboxes, Reason.UNKNOWN_MAILBOX),
    (_disable, Reason.MAILBOX_DISABLED),
    (_share_address, Reason.AMBIGUOUS_SAN),
    (_remove_root, Reason.UNTRUSTED_CHAIN),
    (_remove_issuing, Reason.REVOCATION_UNKNOWN),
)


class TestChange:
    """What changes outside holds for the next request of an open connection."""

    @pytest.mark.parametrize(("change", "reason"), CHANGES)
    async def test_cuts_the_next_request(
        self, plane: Bed, change: Callable[[Bed], None], reason: Reason
    ) -> None:
        """The answer is the table's, the record names the reason, and no request goes on."""
        phone = await plane.phone()
        assert (await phone.ask(post())).status == 200
        plane.audit()
        change(plane)
        plane.changed()
        answer, expected = await phone.ask(post()), ANSWERS[reason]
        after = [] if expected.retry_after is None else [str(expected.retry_after)]
        assert (answer.status, answer.get("retry-after")) == (expected.status, after)
        assert answer.get("connection") == (["close"] if expected.close else [])
        (record,) = plane.audit()
        assert (record["decision"], record["reason"]) == ("deny", reason)
        assert f"Reference: {record['reference']}" in answer.body.decode()
        assert reason not in answer.body.decode()
        assert len(plane.mail.requests) == 1

    async def test_a_certificate_without_a_name_is_refused(self, plane: Bed) -> None:
        """NO_USABLE_SAN: 403, and the connection stays."""
        phone = await plane.phone(plane.pki.stored("no-san"))
        assert [(await phone.ask(post())).status for _ in range(2)] == [403, 403]
        assert [r["reason"] for r in plane.audit()] == [Reason.NO_USABLE_SAN] * 2

    async def test_an_unreadable_name_is_refused(self, plane: Bed, tmp_path: Path) -> None:
        """A SAN with a control character names nobody, and the log says why."""
        made = plane.pki.issuing.issue_device(upn="alice@example.test\0")
        (tmp_path / "odd.pem").write_bytes(made.certificate_pem)
        (tmp_path / "odd.key").write_bytes(made.key_pem)
        odd = StoredCertificate(tmp_path / "odd.pem", tmp_path / "odd.key")
        phone = await plane.phone(odd)
        assert (await phone.ask(post())).status == 403
        (record,) = plane.audit()
        assert record["reason"] == Reason.NO_USABLE_SAN
        assert "control character" in record["detail"]

    async def test_another_user_is_refused_and_then_the_own_served(self, plane: Bed) -> None:
        """USER_MISMATCH concerns one request alone."""
        phone = await plane.phone()
        assert (await phone.ask(post(query=OTHER_USER))).status == 403
        assert (await phone.ask(post())).status == 200
        assert [r["reason"] for r in plane.audit()] == ["", Reason.USER_MISMATCH]

    async def test_a_path_that_is_not_served(self, plane: Bed) -> None:
        """404, and the connection stays."""
        phone = await plane.phone()
        answer = await phone.ask(post().replace(b"/Microsoft", b"/owa", 1))
        assert (answer.status, answer.get("connection")) == (404, [])
        assert (await phone.ask(post())).status == 200

    async def test_a_suspended_judge_refuses_until_there_is_news(self, plane: Bed) -> None:
        """STATE_UNAVAILABLE: 503 with Retry-After for everybody, then service again."""
        phone = await plane.phone()
        plane.judge.suspend()
        plane.judge.suspend()
        answer = await phone.ask(post())
        assert (answer.status, answer.get("retry-after")) == (503, ["60"])
        plane.changed()
        assert (await phone.ask(post())).status == 200


class TestCache:
    """A verdict that holds is not made again."""

    async def test_one_record_for_many_requests(self, plane: Bed) -> None:
        """Allows from the cached verdict are only counted."""
        phone = await plane.phone()
        for _ in range(5):
            await phone.ask(post())
        (record,) = plane.audit()
        assert (record["decision"], record["mailbox"]) == ("allow", "alice@example.test")
        assert record["serial"] == f"{plane.pki.alice.serial_number:x}"
        assert (record["command"], record["device_id"]) == ("Sync", "d1")
        assert plane.counters.decisions["ALLOW"] == 5

    async def test_a_change_that_lets_it_stand_is_not_put_on_record(self, plane: Bed) -> None:
        """It is made anew, and the phone is served as before."""
        phone = await plane.phone()
        await phone.ask(post())
        plane.changed()
        assert (await phone.ask(post())).status == 200
        assert len(plane.audit()) == 1

    async def test_it_ends_with_the_crl(self, plane: Bed) -> None:
        """After nextUpdate the CRLs are asked again, and a revoked phone is out."""
        phone = await plane.phone()
        await phone.ask(post())
        plane.crls.revoked.add(plane.pki.alice.serial_number)
        assert (await phone.ask(post())).status == 200
        plane.now = lambda: time.time() + 3601
        assert (await phone.ask(post())).status == 403

    async def test_it_ends_with_the_certificate(self, plane: Bed) -> None:
        """A certificate that expires on a living connection ends it."""
        phone = await plane.phone()
        await phone.ask(post())
        end = plane.pki.alice.certificate.not_valid_after_utc.timestamp()
        plane.now = lambda: end + 1
        answer = await phone.ask(post())
        assert (answer.status, answer.get("connection")) == (403, ["close"])
        assert plane.audit()[-1]["reason"] == Reason.OUTSIDE_VALIDITY

    async def test_a_certificate_is_seen_once(self, plane: Bed) -> None:
        """Many connections of one certificate are told about once an hour at most."""
        for _ in range(3):
            phone = await plane.phone()
            await phone.ask(post())
        (seen,) = plane.messages("seen")
        assert seen["mailbox_key"] == "alice@example.test"

    async def test_credentials_that_cannot_be_made(self, pki: Pki) -> None:
        """A mailbox without the attribute for the mail server cannot be served, and may return."""
        async with bed(pki, user="sam_account_name") as plane:
            phone = await plane.phone()
            answer = await phone.ask(post())
            assert (answer.status, answer.get("retry-after")) == (503, ["60"])
            assert plane.audit()[0]["reason"] == Reason.UPSTREAM_UNAVAILABLE


def _revoke_now(plane: Bed, *, ago: float = 0.0) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=ago)
    plane.directory.valid_from["alice@example.test"] = TokenValidFrom(
        moment, plane.directory.change_id + 1
    )
    plane.changed()


class TestTokenValidFrom:
    """Instant revocation."""

    async def test_cuts_the_next_request_of_an_open_connection(self, plane: Bed) -> None:
        """BEFORE_TOKEN_VALID_FROM: 503 with Retry-After, and the connection ends."""
        phone = await plane.phone()
        assert (await phone.ask(post())).status == 200
        _revoke_now(plane)
        answer = await phone.ask(post())
        assert (answer.status, answer.get("connection")) == (503, ["close"])
        assert answer.get("retry-after") == ["60"]
        assert await phone.ended() == b""
        record = plane.audit()[-1]
        assert record["reason"] == Reason.BEFORE_TOKEN_VALID_FROM
        assert record["mailbox"] == "alice@example.test"

    async def test_leaves_others_alone(self, plane: Bed) -> None:
        """Another user's open connection goes on."""
        phone = await plane.phone(plane.pki.bob)
        await phone.ask(post(query=OTHER_USER))
        _revoke_now(plane)
        assert (await phone.ask(post(query=OTHER_USER))).status == 200

    async def test_a_new_handshake_needs_a_fresh_crl(self, plane: Bed) -> None:
        """fresh_crl: refused while the CRL is older than the revocation."""
        _revoke_now(plane)
        phone = await plane.phone()
        answer = await phone.ask(post())
        assert (answer.status, answer.get("connection")) == (503, ["close"])
        assert plane.audit()[-1]["reason"] == Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM

    async def test_a_fresh_crl_readmits(self, plane: Bed) -> None:
        """A CRL made and accepted after the revocation lets the phone in again."""
        _revoke_now(plane, ago=7200)
        phone = await plane.phone()
        assert (await phone.ask(post())).status == 200

    async def test_immediate_readmits_at_once(self, pki: Pki) -> None:
        """Entra's own rule: a new handshake is enough, the old session is not."""
        async with bed(pki, reauthentication=Reauthentication.IMMEDIATE) as plane:
            old = await plane.phone()
            await old.ask(post())
            _revoke_now(plane)
            assert (await old.ask(post())).status == 503
            new = await plane.phone()
            assert (await new.ask(post())).status == 200
