"""What a phone refuses by its form is found, with the key."""

from typing import Any

import pytest
from hypothesis import given

from gateway.profiles.apple import Payload
from gateway.profiles.schema import problems
from tests.profiles.samples import profiles, scep_profile


def only(profile: Payload) -> tuple[str, bool, str]:
    """The single problem of a profile."""
    (problem,) = problems(profile)
    return problem.key, problem.fatal, problem.detail


def test_right() -> None:
    """A right profile has no problem."""
    assert list(problems(scep_profile())) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("SSL", "true", "it has to be true or false, and it is a string"),
        ("SSL", 1, "it has to be true or false, and it is an integer"),
        ("Host", b"mail", "it has to be a string, and it is data"),
        ("MailNumberOfPastDaysToSync", 5, "its value is none of 0, 1, 3, 7, 14, 31"),
        ("MailNumberOfPastDaysToSync", True, "an integer, and it is true or false"),
        ("PayloadVersion", 2, "its value is none of 1"),
    ],
)
def test_wrong_value(key: str, value: Any, words: str) -> None:
    """A phone refuses a key of another type, and a value that is none of the choices."""
    profile = scep_profile()
    profile["PayloadContent"][1][key] = value
    place, fatal, detail = only(profile)
    assert (place, fatal) == (f"PayloadContent[1].{key}", True)
    assert words in detail


def test_misspelt() -> None:
    """A key that Apple has not is passed over by phones; the likely one is named."""
    profile = scep_profile()
    profile["PayloadContent"][1]["EnableMailUserOverrideable"] = True
    place, fatal, detail = only(profile)
    assert (place, fatal) == ("PayloadContent[1].EnableMailUserOverrideable", False)
    assert detail.endswith("it may be meant for EnableMailUserOverridable")


@pytest.mark.parametrize("key", ["PayloadUUID", "PayloadIdentifier", "PayloadVersion"])
def test_missing(key: str) -> None:
    """Each payload has the common keys."""
    profile = scep_profile()
    del profile["PayloadContent"][1][key]
    assert only(profile)[:2] == (f"PayloadContent[1].{key}", True)


def test_inside_the_scep_request() -> None:
    """The request and its names are looked at, too."""
    assert only(scep_profile(Keysize="2048"))[:2] == (
        "PayloadContent[0].PayloadContent.Keysize",
        True,
    )
    names = {"ntPrincipalName": "alice@example.test", "upn": "x"}
    place, fatal, _ = only(scep_profile(SubjectAltName=names))
    assert (place, fatal) == ("PayloadContent[0].PayloadContent.SubjectAltName.upn", False)
    profile = scep_profile()
    del profile["PayloadContent"][0]["PayloadContent"]["URL"]
    assert only(profile)[0] == "PayloadContent[0].PayloadContent.URL"


def test_same_uuid_twice() -> None:
    """Two payloads with one UUID are refused."""
    profile = scep_profile()
    first, second = profile["PayloadContent"]
    second["PayloadUUID"] = first["PayloadUUID"]
    assert only(profile)[:2] == ("PayloadContent[1].PayloadUUID", True)


def test_no_configuration() -> None:
    """A profile's own type is Configuration."""
    assert only(scep_profile() | {"PayloadType": "com.apple.mdm"})[:2] == ("PayloadType", True)


def test_other_payloads_are_passed_over() -> None:
    """What is not mail is not judged."""
    profile = scep_profile()
    profile["PayloadContent"].append({"PayloadType": "com.apple.wifi.managed", "SSID": 1})
    assert list(problems(profile)) == []


@given(profiles)
def test_any_profile(profile: Payload) -> None:
    """Whatever a property list holds, there are problems or none, with words for each."""
    assert all(one.detail for one in problems(profile))
