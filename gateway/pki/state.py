"""What a PKI folder remembers: the serial numbers it issued and revoked, and its CRL numbers."""

from datetime import datetime
from typing import Annotated, Literal

from cryptography import x509
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from gateway.pki.crl import Revocation

# CAs by the names of their files; both may have revoked something.
CaName = Literal["root", "issuing"]

# RFC 5280, 5.3.1, as the library spells them; "removeFromCRL" has no meaning outside delta CRLs,
# and "unspecified" is expressed by leaving the reason out.
REASONS = {
    flag.value: flag
    for flag in x509.ReasonFlags
    if flag not in {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
}

Serial = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{1,40}$")]


class Issued(BaseModel):
    """A certificate by its serial number (lower-case hexadecimal) and the name of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    serial: Serial
    issuer: CaName
    name: str
    not_after: AwareDatetime


class Revoked(BaseModel):
    """A certificate that the CRL of its issuer lists from now on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    serial: Serial
    issuer: CaName
    revocation_date: AwareDatetime
    reason: str | None = None

    def entry(self) -> Revocation:
        """The entry of the CRL."""
        return Revocation(
            serial_number=int(self.serial, 16),
            revocation_date=self.revocation_date,
            reason=None if self.reason is None else REASONS[self.reason],
        )


class State(BaseModel):
    """The content of pki.json; a change makes a new value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    crl_number: int = 1
    issued: tuple[Issued, ...] = ()
    revoked: tuple[Revoked, ...] = ()

    def with_issued(self, *issued: Issued) -> "State":
        """This state and `issued`."""
        return self.model_copy(update={"issued": (*self.issued, *issued)})

    def with_revoked(self, revoked: Revoked) -> "State":
        """This state and `revoked`."""
        return self.model_copy(update={"revoked": (*self.revoked, revoked)})

    def with_next_crl(self) -> "State":
        """This state with the number of the next CRLs."""
        return self.model_copy(update={"crl_number": self.crl_number + 1})

    def find_issued(self, serial_number: int) -> Issued | None:
        """The certificate with this serial number, if it was issued here."""
        wanted = f"{serial_number:x}"
        return next((one for one in self.issued if one.serial == wanted), None)

    def find_revoked(self, serial_number: int) -> Revoked | None:
        """The revocation of this serial number, if there is one."""
        wanted = f"{serial_number:x}"
        return next((one for one in self.revoked if one.serial == wanted), None)


def issued(name: str, issuer: CaName, certificate: x509.Certificate) -> Issued:
    """What is remembered of `certificate`, whose file is `name`.pem."""
    not_after: datetime = certificate.not_valid_after_utc
    return Issued(
        serial=f"{certificate.serial_number:x}", issuer=issuer, name=name, not_after=not_after
    )
