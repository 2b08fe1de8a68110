"""Autodiscover in JSON."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.autodiscover_json import (
    PATH,
    JsonQuestion,
    read_json_question,
    write_json_answer,
)
from gateway.core.target import Target, parse_target
from gateway.errors import RequestError

_URL = "https://gateway.example"


def _read(target: bytes) -> JsonQuestion | None:
    return read_json_question(parse_target(target, b"gateway.example"))


@pytest.mark.parametrize(
    ("target", "address", "protocol"),
    [
        (
            b"?Email=u%40x.example&Protocol=ActiveSync&RedirectCount=1",
            "u@x.example",
            "ActiveSync",
        ),
        (b"?protocol=activesync&email=u@x.example", "u@x.example", "activesync"),
        (b"/v1.0/u@x.example?Protocol=ActiveSync", "u@x.example", "ActiveSync"),
        (b"/V1.0/u%40x.example?Protocol=ActiveSync", "u@x.example", "ActiveSync"),
        (b"/v1.0/u@x.example?Email=u@x.example&Protocol=EWS", "u@x.example", "EWS"),
        (b"/v1.0/?Protocol=ActiveSync", None, "ActiveSync"),
        (b"?Protocol=ActiveSync", None, "ActiveSync"),
        (b"?Email=&Protocol=ActiveSync", None, "ActiveSync"),
        (b"?@x/mapi/nspi&Email=a+b@x.example", "a+b@x.example", ""),
        (b"", None, ""),
    ],
)
def test_both_forms(target: bytes, address: str | None, protocol: str) -> None:
    """The address in the query or in the path, names in any letter case."""
    assert _read(PATH.encode() + target) == JsonQuestion(address, protocol)


def test_the_path_in_any_letter_case() -> None:
    """As phones write it."""
    question = _read(b"/AutoDiscover/AutoDiscover.json?Protocol=ActiveSync")
    assert question == JsonQuestion(None, "ActiveSync")


@pytest.mark.parametrize(
    "path",
    [
        PATH + "/v2.0/u@x.example",
        PATH + "/v1.0/u@x.example/more",
        PATH + "/u@x.example",
        "/autodiscover/autodiscover.xml",
        "/",
    ],
)
def test_other_paths_are_none(path: str) -> None:
    """Nothing else is below it."""
    assert read_json_question(Target(path)) is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (b"Email=a&Email=b", "names email twice"),
        (b"email=a&EMAIL=a", "names email twice"),
        (b"Protocol=a&pro%74ocol=b", "names protocol twice"),
        (b"Email=%", "percent"),
        (b"Email=%4", "percent"),
        (b"Email=%zz", "percent"),
        (b"Email=%ff", "UTF-8"),
        (b"Email=%0a", "control"),
    ],
)
def test_a_query_without_one_meaning(query: bytes, words: str) -> None:
    """Refused, as everywhere."""
    with pytest.raises(RequestError, match=words):
        read_json_question(Target(PATH, query))


def test_two_addresses() -> None:
    """One in the path and another one in the query."""
    with pytest.raises(RequestError, match="different addresses"):
        read_json_question(Target(f"{PATH}/v1.0/a@x.example", b"Email=b@x.example"))


@pytest.mark.parametrize(
    ("protocol", "status", "expected"),
    [
        (
            "activeSync",
            200,
            {"Protocol": "ActiveSync", "Url": f"{_URL}/Microsoft-Server-ActiveSync"},
        ),
        (
            "AutodiscoverV1",
            200,
            {"Protocol": "AutodiscoverV1", "Url": f"{_URL}/autodiscover/autodiscover.xml"},
        ),
        ("EWS", 400, {"ErrorCode": "InvalidProtocol"}),
        ("", 400, {"ErrorCode": "MandatoryParameterMissing"}),
    ],
)
def test_answers(protocol: str, status: int, expected: dict[str, str]) -> None:
    """The gateway's URL, or the code of the error."""
    found, body = write_json_answer(JsonQuestion("u@x.example", protocol), _URL)
    answer = json.loads(body)
    answer.pop("ErrorMessage", None)
    assert (found, answer) == (status, expected)


@given(st.text(), st.text())
def test_the_address_makes_no_difference(one: str, other: str) -> None:
    """So that nobody learns which there are."""
    answers = {write_json_answer(JsonQuestion(a, "ActiveSync"), _URL) for a in (one, other, None)}
    assert len(answers) == 1


@given(
    st.from_regex(r"(?:/[A-Za-z0-9@.]{0,5}){0,3}", fullmatch=True),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)).map(str.encode),
)
def test_any_target_is_read_or_refused(path: str, query: bytes) -> None:
    """No other exception."""
    with contextlib.suppress(RequestError):
        read_json_question(Target(PATH + path, query))
