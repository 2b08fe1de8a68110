"""What one device was answered says nothing to another, however the mail server writes it."""

import asyncio

import pytest

from tests.proxy.bed import Bed, post


@pytest.mark.parametrize(
    "spelling", [b"content-length: 0", b"Content-Length:0", b"CONTENT-LENGTH: 0"]
)
async def test_an_empty_answer_ends_whatever_its_spelling(plane: Bed, spelling: bytes) -> None:
    """The same answer again and again is a whole answer each time."""
    plane.mail.answer = b"HTTP/1.1 200 OK\r\n" + spelling + b"\r\n\r\n"
    phone = await plane.phone()
    for _ in range(3):
        answer = await phone.ask(post(b"x"))
        assert (answer.status, answer.get("content-length"), answer.body) == (200, ["0"], b"")


async def test_half_an_answer_too_much_reaches_nobody(plane: Bed) -> None:
    """A connection with bytes behind the answer is not given to the next device."""
    surplus = b"HTTP/1.1 200 OK\r\nX-Leak: the other's\r\nA: "

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await plane.mail.receive(reader)
        body = b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: 3\r\n\r\nabc"
        writer.write(body % plane.mail.connections + surplus)
        await reader.read()

    plane.mail.script = talkative
    for _ in range(2):
        phone = await plane.phone()
        answer = await phone.ask(post(b"x"))
        assert (answer.status, answer.body, answer.get("x-leak")) == (200, b"abc", [])
    assert plane.mail.connections == 2
