"""A certificate authority in memory: it issues certificates and signs CRLs, and writes nothing."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self, TypedDict, Unpack

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.pki import crl
from gateway.pki.crl import AnyExtension, CrlOptions, Revocation, extension, merge
from gateway.pki.identity import Identity, PrivateKey, certificates_pem, ec_key, key_pem
from gateway.pki.names import device_names, host_names

CA_LIFETIME = timedelta(days=3650)
# Apple's platforms refuse server certificates that are valid for longer than 398 days.
LEAF_LIFETIME = timedelta(days=397)

_COMMON_NAME_LIMIT = (
    64  # ub-common-name (RFC 5280, appendix A.1), which the library counts in bytes
)


class Options(TypedDict, total=False):
    """What every certificate may differ in.

    `not_before` is now, `not_after` 397 days later (ten years for a CA); `key` is a new P-256 key
    and `serial_number` 159 random bits. An entry of `extensions` takes the place of the usual one
    with its OID, and those of `omit` are left out.
    """

    not_before: datetime
    not_after: datetime
    key: PrivateKey
    serial_number: int
    extensions: Sequence[AnyExtension]
    omit: Collection[x509.ObjectIdentifier]


class CaOptions(Options, total=False):
    """`path_length` limits how many CAs may follow below (RFC 5280, 4.2.1.9)."""

    path_length: int


class DeviceOptions(Options, total=False):
    """`common_name` is the UPN or the address; `extended_key_usages` is clientAuth, () for none."""

    common_name: str
    extended_key_usages: Sequence[x509.ObjectIdentifier]


@dataclass(frozen=True)
class CertificateAuthority:
    """A CA certificate with its key.

    `chain` is what an issued leaf sends along: this CA and those above it, without the root.
    """

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def root(cls, name: str, **options: Unpack[CaOptions]) -> Self:
        """A new self-signed root whose common name is `name`."""
        key = options.get("key") or ec_key()
        own_identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
        issuer = _Issuer(_subject(name), key, own_identifier)
        usual = _ca_extensions(options)
        return cls(issuer.sign(issuer.name, key, usual, options, CA_LIFETIME), key)

    def intermediate(self, name: str, **options: Unpack[CaOptions]) -> Self:
        """A new CA whose common name is `name`, issued by this one."""
        key = options.get("key") or ec_key()
        usual = _ca_extensions(options)
        certificate = self._issuer.sign(_subject(name), key, usual, options, CA_LIFETIME)
        return type(self)(certificate, key, (certificate, *self.chain))

    def issue_server(self, *hosts: str, **options: Unpack[Options]) -> Identity:
        """A TLS server certificate for `hosts`, DNS names or IP addresses.

        Raises:
            CertificateError: if one of `hosts` is neither.
        """
        names = extension(host_names(hosts))
        return self._leaf(hosts[0], [ExtendedKeyUsageOID.SERVER_AUTH], [names], options)

    def issue_device(
        self,
        *,
        upn: str | None = None,
        email: str | None = None,
        **options: Unpack[DeviceOptions],
    ) -> Identity:
        """A TLS client certificate whose owner is `upn` (an OtherName) and `email` (RFC822).

        With neither it has no subject alternative name.

        Raises:
            CertificateError: if `email` cannot be an RFC822 name.
        """
        names = device_names(upn, email)
        return self._leaf(
            options.get("common_name") or upn or email or "device",
            options.get("extended_key_usages", [ExtendedKeyUsageOID.CLIENT_AUTH]),
            [] if names is None else [extension(names)],
            options,
        )

    def sign_crl(
        self, revoked: Iterable[Revocation] = (), **options: Unpack[CrlOptions]
    ) -> x509.CertificateRevocationList:
        """A CRL over `revoked`, signed by this CA and in its name unless `options` say another."""
        own: CrlOptions = {
            "issuer_name": self.certificate.subject,
            "authority_key_identifier": self.key_identifier,
        }
        return crl.sign(self.key, revoked, {**own, **options})

    @property
    def key_identifier(self) -> bytes:
        """The subject key identifier of the certificate."""
        found = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return found.value.digest

    @property
    def certificate_pem(self) -> bytes:
        """This CA's certificate alone, PEM."""
        return certificates_pem(self.certificate)

    @property
    def key_pem(self) -> bytes:
        """The key, unencrypted PKCS#8 PEM."""
        return key_pem(self.key)

    @property
    def _issuer(self) -> "_Issuer":
        return _Issuer(self.certificate.subject, self.key, self.key_identifier)

    def _leaf(
        self,
        common_name: str,
        usages: Sequence[x509.ObjectIdentifier],
        names: Sequence[AnyExtension],
        options: Options,
    ) -> Identity:
        key = options.get("key") or ec_key()
        usual = [
            extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
            extension(_leaf_key_usage(key), critical=True),
            *names,
        ]
        if usages:
            usual.append(extension(x509.ExtendedKeyUsage(usages)))
        subject = _subject(common_name)
        certificate = self._issuer.sign(subject, key, usual, options, LEAF_LIFETIME)
        return Identity(certificate, key, self.chain)


@dataclass(frozen=True)
class _Issuer:
    """The name, the key and its identifier that a certificate is signed with."""

    name: x509.Name
    key: PrivateKey
    key_identifier: bytes

    def sign(
        self,
        subject: x509.Name,
        key: PrivateKey,
        usual: Sequence[AnyExtension],
        options: Options,
        lifetime: timedelta,
    ) -> x509.Certificate:
        """A certificate for `key`, valid for `lifetime` unless `options` say when it ends."""
        start = options.get("not_before") or crl.now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(options.get("serial_number", x509.random_serial_number()))
            .not_valid_before(start)
            .not_valid_after(options.get("not_after") or start + lifetime)
        )
        identifiers = [
            extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key())),
            extension(x509.AuthorityKeyIdentifier(self.key_identifier, None, None)),
        ]
        others = options.get("extensions", ())
        for one in merge([*identifiers, *usual], others, options.get("omit", ())):
            builder = builder.add_extension(one.value, one.critical)
        return builder.sign(self.key, SHA256())


def _ca_extensions(options: CaOptions) -> list[AnyExtension]:
    constraints = x509.BasicConstraints(ca=True, path_length=options.get("path_length"))
    return [
        extension(constraints, critical=True),
        extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True),
    ]


def _subject(common_name: str) -> x509.Name:
    shortened = common_name.encode()[:_COMMON_NAME_LIMIT].decode(errors="ignore")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shortened)])


def _leaf_key_usage(key: PrivateKey) -> x509.KeyUsage:
    return _key_usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPrivateKey))


def _key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
