"""A CRL that has ended says nothing more of anybody."""

from datetime import timedelta

from tests.blackbox.bed import Running, until


def test_phones_are_put_off_until_a_new_crl(gateway: Running) -> None:
    """At its nextUpdate a phone that was let in gets 503; a fresh CRL lets it in again."""
    with gateway.bed.phone() as phone:
        assert phone.options() == 200
        gateway.bed.sign_crls(timedelta(seconds=3))
        until(lambda: phone.options() == 503, "the CRL has ended")
        gateway.bed.sign_crls(timedelta(days=1))
        until(lambda: phone.options() == 200, "the new CRL is followed")
        assert phone.connections == 1
