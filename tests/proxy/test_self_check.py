"""GET / on a phone's connection: the page for every verdict, and nothing for the mail server."""

from pathlib import Path

import pytest

from gateway.core.mailbox import Mailbox
from gateway.proxy import self_check_texts as texts
from gateway.proxy.self_check import SELF_CHECK
from tests.helpers import Pki, StoredCertificate
from tests.proxy.bed import Answer, Bed, bed, post

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _reference(answer: Answer) -> str:
    (found,) = answer.get("x-gateway-reference")
    assert found.encode() in answer.body
    return found


def _record(plane: Bed, reference: str) -> dict[str, object]:
    (found,) = [one for one in plane.audit() if one["reference"] == reference]
    return found


def _issued(folder: Path, pki: Pki, **options: object) -> StoredCertificate:
    identity = pki.issuing.issue_device(**options)  # type: ignore[arg-type]  # as a test names them
    made = StoredCertificate(folder / "device.pem", folder / "device.key")
    made.pem.write_bytes(identity.certificate_pem)
    made.key.write_bytes(identity.key_pem)
    return made


async def test_who_is_let_in_sees_the_mailbox(pki: Pki) -> None:
    """With 200, on record under the reference, and the connection stays for mail."""
    async with bed(pki, rules=(SELF_CHECK,)) as plane:
        phone = await plane.phone()
        answer = await phone.ask(GET)
        assert answer.status == 200
        assert b"<bdi>alice@example.test</bdi>" in answer.body
        assert f"{pki.alice.serial_number:x}".encode() in answer.body
        record = _record(plane, _reference(answer))
        assert (record["decision"], record["command"]) == ("allow", "SelfCheck")
        assert record["mailbox"] == "alice@example.test"
        assert plane.mail.requests == []
        assert (await phone.ask(post())).status == 200


async def test_who_is_revoked_is_told_so(pki: Pki) -> None:
    """With the status that ActiveSync gets, and the reason only on record."""
    async with bed(pki, rules=(SELF_CHECK,)) as plane:
        plane.crls.revoked.add(pki.alice.serial_number)
        plane.changed()
        phone = await plane.phone()
        answer = await phone.ask(GET)
        assert answer.status == 403
        assert b"This certificate has been withdrawn" in answer.body
        assert b"REVOKED" not in answer.body
        assert texts.MAILBOX.encode() + b"</dt>" not in answer.body
        record = _record(plane, _reference(answer))
        assert record["reason"] == "CERTIFICATE_REVOKED"
        assert (await phone.ask(post())).status == 403
        assert plane.mail.requests == []


@pytest.mark.parametrize(
    ("mailboxes", "reason"),
    [
        ((), "UNKNOWN_MAILBOX"),
        ((Mailbox("alice@example.test", enabled=False),), "MAILBOX_DISABLED"),
    ],
)
async def test_whether_there_is_a_mailbox_is_not_told(
    pki: Pki, mailboxes: tuple[Mailbox, ...], reason: str
) -> None:
    """None, or one that may not be used: one page, word for word, but for the reference."""
    async with bed(pki, rules=(SELF_CHECK,)) as plane:
        plane.directory.mailboxes = ()
        plane.now = lambda: pki.alice.certificate.not_valid_before_utc.timestamp() + 60
        plane.changed()
        unknown = await (await plane.phone()).ask(GET)
        plane.directory.mailboxes = mailboxes
        plane.changed()
        answer = await (await plane.phone()).ask(GET)
        assert _record(plane, _reference(answer))["reason"] == reason
        pages = [one.body.replace(_reference(one).encode(), b"") for one in (unknown, answer)]
        assert pages[0] == pages[1]
        assert answer.status == unknown.status == 403


async def test_what_passes_says_when_to_come_back(pki: Pki) -> None:
    """Without a CRL nobody is let in, and nobody is told that something is wrong with a phone."""
    async with bed(pki, rules=(SELF_CHECK,)) as plane:
        plane.crls.known = False
        plane.changed()
        answer = await (await plane.phone()).ask(GET)
        assert (answer.status, answer.get("retry-after")) == (503, ["60"])
        assert b"Please try again later" in answer.body


async def test_a_certificate_that_cannot_be_read(pki: Pki, tmp_path: Path) -> None:
    """TLS takes it, and the page says what is wrong."""
    device = _issued(tmp_path, pki, upn="alice@example.test\0")
    async with bed(pki, rules=(SELF_CHECK,)) as plane:
        answer = await (await plane.phone(device)).ask(GET)
        assert answer.status == 403
        assert texts.UNREADABLE.encode() in answer.body


async def test_a_name_in_a_certificate_is_no_markup(pki: Pki, tmp_path: Path) -> None:
    """Whoever may choose the name of a certificate cannot put a script into the page."""
    name = "<script>alert(1)</script>@example.test"
    device = _issued(tmp_path, pki, upn=name)
    async with bed(pki, rules=(SELF_CHECK,)) as plane:
        answer = await (await plane.phone(device)).ask(GET)
        assert b"<script" not in answer.body
        assert b"&lt;script&gt;alert(1)&lt;/script&gt;@example.test" in answer.body


async def test_head_has_the_fields_alone(pki: Pki) -> None:
    """RFC 9110 section 9.3.2."""
    async with bed(pki, rules=(SELF_CHECK,)) as plane:
        phone = await plane.phone()
        phone.writer.write(
            GET.replace(b"GET", b"HEAD").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        head = await phone.ended()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nContent-Security-Policy: default-src 'none'; " in head
        assert head.endswith(b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("line", "status"), [("POST /", 405), ("GET /favicon.ico", 404), ("GET /index.html", 404)]
)
async def test_only_get_and_only_there(pki: Pki, line: str, status: int) -> None:
    """What a browser or a scanner asks for beside it is refused as before."""
    async with bed(pki, rules=(SELF_CHECK,)) as plane:
        phone = await plane.phone()
        answer = await phone.ask(f"{line} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert answer.status == status
        assert plane.mail.requests == []


async def test_it_is_off_unless_there_is_a_rule(pki: Pki) -> None:
    """The path is as unknown as any other."""
    async with bed(pki) as plane:
        assert (await (await plane.phone()).ask(GET)).status == 404


async def test_who_has_no_certificate_is_told_so(pki: Pki) -> None:
    """Where TLS lets it through; whoever passes by does not fill the audit trail."""
    async with bed(pki, rules=(SELF_CHECK,), client_certificate="request") as plane:
        phone = await plane.phone(anonymous=True)
        answer = await phone.ask(GET)
        assert (answer.status, answer.get("connection")) == (403, ["close"])
        assert b"No certificate was presented" in answer.body
        reference = _reference(answer)
        assert plane.audit() == []
        assert [one["reference"] for one in plane.log() if "reference" in one] == [reference]
