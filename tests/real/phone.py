"""A phone: pyactivesync with a client certificate, or straight at SOGo as a trusted proxy."""

import uuid
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import pyactivesync

from tests.real.sogo.bed import IDENTITY_HEADER, Bed

PASSWORD_IS_NOT_SENT = ""
TIMEOUT_SECONDS = 60.0
NO_POLICY = "no PolicyKey"  # SOGo has no policy to give, which pyactivesync takes for a failure


@dataclass
class Phone:
    """One device of one mailbox; it remembers how far it has synchronised the inbox."""

    client: Any  # pyactivesync carries no types
    sync_key: str = "0"
    _inbox: str | None = field(default=None, repr=False)

    @classmethod
    def with_certificate(cls, pki: Path, name: str, *, port: int, user: str) -> Self:
        """A phone that owns `name`.pem and asks for the mailbox `user`."""
        phone = cls._new(f"localhost:{port}", user)
        phone.http.cert = (str(pki / f"{name}.pem"), str(pki / f"{name}.key"))
        phone.http.verify = str(pki / "root.pem")
        return phone

    @classmethod
    def at_sogo(cls, bed: Bed, user: str) -> Self:
        """A phone that needs no gateway, since it says itself who it is."""
        phone = cls._new("unused", user)
        phone.client._transport.base_url = bed.url
        phone.http.headers[IDENTITY_HEADER] = user
        # SOGo ends every connection after its answer and does not say so beforehand.
        phone.http.hooks["response"].append(lambda answer, **options: phone.http.close())
        return phone

    @classmethod
    def _new(cls, server: str, user: str) -> Self:
        device = f"real{uuid.uuid4().hex[:12]}"
        phone = cls(
            pyactivesync.Client(
                server, user, PASSWORD_IS_NOT_SENT, device_id=device, timeout=TIMEOUT_SECONDS
            )
        )
        phone.http.auth = None
        phone.http.trust_env = False  # no proxy, no .netrc
        return phone

    @property
    def http(self) -> Any:
        """The requests session with which it speaks."""
        return self.client._transport.session

    @property
    def device_id(self) -> str:
        """The DeviceId that it names."""
        return str(self.client._transport.device_id)

    def options(self) -> Any:
        """The answer to OPTIONS, for which pyactivesync has no method."""
        return self.http.options(self.client._transport.base_url, timeout=TIMEOUT_SECONDS)

    def provision(self) -> str | None:
        """The policy key, or None after an answer that gives no policy."""
        try:
            key: str = self.client.provision()
        except pyactivesync.ProvisionError as answered:
            if NO_POLICY not in str(answered):
                raise
            self.client._provisioned = True
            return None
        return key

    def inbox(self) -> str:
        """The id of the inbox, by FolderSync."""
        if self._inbox is None:
            if not self.client._provisioned:
                self.provision()
            folders = self.client.list_folders()
            [self._inbox] = [one.id for one in folders if one.type.name == "INBOX"]
        return str(self._inbox)

    def sync(self) -> list[str]:
        """Subjects of what is new in the inbox since the last time, all of it at first.

        As phones do, it goes on until an answer brings nothing.
        """
        inbox = self.inbox()
        if self.sync_key == "0":
            self.sync_key = self.client.sync_folder(inbox).sync_key
        subjects: list[str] = []
        while True:
            answer = self.client.sync_folder(inbox, self.sync_key)
            self.sync_key = answer.sync_key
            subjects += [item.fields["Email.Subject"] for item in answer.added]
            if not (answer.added or answer.more_available):
                return subjects

    def send(self, message: EmailMessage) -> None:
        """Submit a message by SendMail."""
        self.client.send_mail(message)

    def ping(self, heartbeat_seconds: int) -> Any:
        """The answer to a Ping for the inbox, which comes when mail does or the heartbeat ends."""
        return self.client.ping(
            [self.inbox()], heartbeat=heartbeat_seconds, timeout=heartbeat_seconds + TIMEOUT_SECONDS
        )

    def close(self) -> None:
        """Its connections are closed."""
        self.client.close()
