"""Gmail's managed configuration has its mandatory keys, TLS, a certificate, and no password."""

from gateway.profiles.android import GmailConfiguration

GMAIL = GmailConfiguration("mail.example.test", "{{mail}}", "{{upn}}", "mail-identity", "{{id}}")


def test_keys() -> None:
    """The keys are Gmail's, the values of their types."""
    assert GMAIL.values() == {
        "email_address": "{{mail}}",
        "exchange_host": "mail.example.test",
        "exchange_username": "{{upn}}",
        "exchange_login_certificate_alias": "mail-identity",
        "exchange_device_id": "{{id}}",
        "exchange_ssl_required": True,
        "exchange_trust_all_certificates": False,
    }
    without = GmailConfiguration("mail.example.test", "a@b.test", "a@b.test", "x")
    assert "exchange_device_id" not in without.values()


def test_google_play() -> None:
    """Google Play's form has one typed value a key."""
    made = GMAIL.managed_properties()
    assert made["productId"] == "app:com.google.android.gm"
    values = {one["key"]: one for one in made["managedProperty"]}
    assert values["exchange_ssl_required"]["valueBool"] is True
    assert values["exchange_host"]["valueString"] == "mail.example.test"
    assert set(values) == set(GMAIL.values())
