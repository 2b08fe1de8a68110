"""Managed configuration of Gmail on Android (package com.google.android.gm).

Builds its keys; sends nothing. `exchange_password` is never among them.
"""

from dataclasses import dataclass
from typing import Any, Final

GMAIL: Final = "com.google.android.gm"


@dataclass(frozen=True, slots=True)
class GmailConfiguration:
    """What Gmail is told; texts may be variables that the console fills in.

    Attributes:
        host: the gateway's host name, or HOST:PORT.
        email: the mailbox's address.
        user: what the phone sends as User.
        alias: under which the console installs the certificate in Android's KeyChain.
        device_id: becomes the DeviceId of ActiveSync; None leaves it to Gmail.
    """

    host: str
    email: str
    user: str
    alias: str
    device_id: str | None = None

    def values(self) -> dict[str, Any]:
        """The keys and values."""
        found: dict[str, Any] = {
            "email_address": self.email,
            "exchange_host": self.host,
            "exchange_username": self.user,
            "exchange_login_certificate_alias": self.alias,
            "exchange_ssl_required": True,
            "exchange_trust_all_certificates": False,
        }
        if self.device_id is not None:
            found["exchange_device_id"] = self.device_id
        return found

    def managed_properties(self) -> dict[str, Any]:
        """The same as a managed configuration of Google Play, which Intune's JSON editor takes."""
        return {
            "kind": "androidenterprise#managedConfiguration",
            "productId": f"app:{GMAIL}",
            "managedProperty": [
                {"key": key, "valueBool" if isinstance(value, bool) else "valueString": value}
                for key, value in self.values().items()
            ],
        }
