"""The cases of NIST's PKITS that bear on revocation, as its document has them.

Public Key Interoperability Test Suite (PKITS) Certification Path Validation, version 1.0.1,
sections 4.4 to 4.7, 4.14 and 4.15: number, title, expected result and CA certificates of each.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

ROOT = "TrustAnchorRoot"


@dataclass(frozen=True)
class Case:
    """One test of PKITS.

    Attributes:
        number, title: as the document has them.
        authorities: the file names of the CA certificates below the root, without "Cert".
    """

    number: str
    title: str
    authorities: tuple[str, ...]

    @property
    def is_valid(self) -> bool:
        """Whether the path should validate: the document's expected result."""
        return self.title.startswith("Valid ")

    @property
    def end_entity(self) -> str:
        """The file name of the certificate that is validated."""
        words = re.sub(r" CRL (?=Test1[123]$)", " ", self.title)
        words = words.replace("Missing CRL", "Invalid Missing CRL")
        return re.sub(r"[ -]", "", words) + "EE"


@dataclass(frozen=True)
class Crls:
    """Which CRLs the record of a CA is given, as file names.

    Attributes:
        base, delta: at the record's own URLs.
        sources: further ones, each with the certificate of who signs it, or None.
    """

    base: str | None
    delta: str | None = None
    sources: tuple[tuple[str, str | None], ...] = ()


def crls_of(authority: str) -> Crls:
    """The CRLs of a CA; one of its own name unless said otherwise below."""
    return _CRLS.get(authority) or Crls(f"{authority}CRL")


def cases() -> Iterator[Case]:
    """Every case, in the document's order."""
    for section, lines in _SECTIONS.items():
        for place, line in enumerate(lines.strip().splitlines(), start=1):
            title, authorities = line.split(" | ")
            yield Case(f"{section}.{place}", title, tuple(authorities.split()))


_SEPARATE = "SeparateCertificateandCRLKeys"
_SELF_ISSUED = "BasicSelfIssued"
_CRLS = {
    "NoCRLCA": Crls(None),
    "TwoCRLsCA": Crls("TwoCRLsCABadCRL", sources=(("TwoCRLsCAGoodCRL", None),)),
    f"{_SEPARATE}CertificateSigningCA": Crls(
        None, sources=((f"{_SEPARATE}CRL", f"{_SEPARATE}CRLSigning"),)
    ),
    f"{_SEPARATE}CA2CertificateSigningCA": Crls(
        None, sources=((f"{_SEPARATE}CA2CRL", f"{_SEPARATE}CA2CRLSigning"),)
    ),
    # The one CRL is signed with the new key; it answers for what the old key signed as well.
    f"{_SELF_ISSUED}NewKeyOldWithNewCA": Crls(
        None, sources=((f"{_SELF_ISSUED}NewKeyCACRL", f"{_SELF_ISSUED}NewKeyCA"),)
    ),
    f"{_SELF_ISSUED}OldKeyCA": Crls(
        f"{_SELF_ISSUED}OldKeySelfIssuedCertCRL",
        sources=((f"{_SELF_ISSUED}OldKeyCACRL", f"{_SELF_ISSUED}OldKeyNewWithOldCA"),),
    ),
    f"{_SELF_ISSUED}OldKeyNewWithOldCA": Crls(f"{_SELF_ISSUED}OldKeyCACRL"),
    f"{_SELF_ISSUED}CRLSigningKeyCA": Crls(
        f"{_SELF_ISSUED}CRLSigningKeyCRLCertCRL",
        sources=((f"{_SELF_ISSUED}CRLSigningKeyCACRL", f"{_SELF_ISSUED}CRLSigningKeyCRL"),),
    ),
    "pathLenConstraint0SelfIssuedCA": Crls(
        None, sources=(("pathLenConstraint0CACRL", "pathLenConstraint0CA"),)
    ),
    "pathLenConstraint1SelfIssuedCA": Crls(
        None, sources=(("pathLenConstraint1CACRL", "pathLenConstraint1CA"),)
    ),
    "pathLenConstraint1SelfIssuedsubCA": Crls(
        None, sources=(("pathLenConstraint1subCACRL", "pathLenConstraint1subCA"),)
    ),
    "onlySomeReasonsCA1": Crls(
        "onlySomeReasonsCA1compromiseCRL", sources=(("onlySomeReasonsCA1otherreasonsCRL", None),)
    ),
    "onlySomeReasonsCA2": Crls(
        "onlySomeReasonsCA2CRL1", sources=(("onlySomeReasonsCA2CRL2", None),)
    ),
    "onlySomeReasonsCA3": Crls(
        "onlySomeReasonsCA3compromiseCRL", sources=(("onlySomeReasonsCA3otherreasonsCRL", None),)
    ),
    "onlySomeReasonsCA4": Crls(
        "onlySomeReasonsCA4compromiseCRL", sources=(("onlySomeReasonsCA4otherreasonsCRL", None),)
    ),
    # What another CA's CRL says is asked for wherever the certificates name it as cRLIssuer.
    "indirectCRLCA2": Crls(
        None, sources=(("indirectCRLCA1CRL", "indirectCRLCA1"), ("GoodCACRL", "GoodCA"))
    ),
    "indirectCRLCA3": Crls(
        "indirectCRLCA3CRL", sources=(("indirectCRLCA3cRLIssuerCRL", "indirectCRLCA3cRLIssuer"),)
    ),
    "indirectCRLCA4": Crls(
        None, sources=(("indirectCRLCA4cRLIssuerCRL", "indirectCRLCA4cRLIssuer"),)
    ),
    "indirectCRLCA6": Crls(None, sources=(("indirectCRLCA5CRL", "indirectCRLCA5"),)),
    "deltaCRLCA1": Crls("deltaCRLCA1CRL", "deltaCRLCA1deltaCRL"),
    "deltaCRLCA2": Crls("deltaCRLCA2CRL", "deltaCRLCA2deltaCRL"),
    "deltaCRLCA3": Crls("deltaCRLCA3CRL", "deltaCRLCA3deltaCRL"),
}

_NEW_KEY = f"{_SELF_ISSUED}NewKeyCA {_SELF_ISSUED}NewKeyOldWithNewCA"
_OLD_KEY = f"{_SELF_ISSUED}OldKeyCA {_SELF_ISSUED}OldKeyNewWithOldCA"
_CRL_KEY = f"{_SELF_ISSUED}CRLSigningKeyCA"
_PATH_4 = "pathLenConstraint6CA pathLenConstraint6subCA4"
_PATH_41X = f"{_PATH_4} pathLenConstraint6subsubCA41 pathLenConstraint6subsubsubCA41X"
_PATH_00 = "pathLenConstraint6CA pathLenConstraint6subCA0 pathLenConstraint6subsubCA00"
_PATH_1 = "pathLenConstraint6CA pathLenConstraint6subCA1"
_PATH_11X = f"{_PATH_1} pathLenConstraint6subsubCA11 pathLenConstraint6subsubsubCA11X"
_SELF_ISSUED_0 = "pathLenConstraint0CA pathLenConstraint0SelfIssuedCA"
_SELF_ISSUED_1 = (
    "pathLenConstraint1CA pathLenConstraint1SelfIssuedCA "
    "pathLenConstraint1subCA pathLenConstraint1SelfIssuedsubCA"
)
_SECTIONS = {
    "4.4": f"""
Missing CRL Test1 | NoCRLCA
Invalid Revoked CA Test2 | GoodCA RevokedsubCA
Invalid Revoked EE Test3 | GoodCA
Invalid Bad CRL Signature Test4 | BadCRLSignatureCA
Invalid Bad CRL Issuer Name Test5 | BadCRLIssuerNameCA
Invalid Wrong CRL Test6 | WrongCRLCA
Valid Two CRLs Test7 | TwoCRLsCA
Invalid Unknown CRL Entry Extension Test8 | UnknownCRLEntryExtensionCA
Invalid Unknown CRL Extension Test9 | UnknownCRLExtensionCA
Invalid Unknown CRL Extension Test10 | UnknownCRLExtensionCA
Invalid Old CRL nextUpdate Test11 | OldCRLnextUpdateCA
Invalid pre2000 CRL nextUpdate Test12 | pre2000CRLnextUpdateCA
Valid GeneralizedTime CRL nextUpdate Test13 | GeneralizedTimeCRLnextUpdateCA
Valid Negative Serial Number Test14 | NegativeSerialNumberCA
Invalid Negative Serial Number Test15 | NegativeSerialNumberCA
Valid Long Serial Number Test16 | LongSerialNumberCA
Valid Long Serial Number Test17 | LongSerialNumberCA
Invalid Long Serial Number Test18 | LongSerialNumberCA
Valid Separate Certificate and CRL Keys Test19 | {_SEPARATE}CertificateSigningCA
Invalid Separate Certificate and CRL Keys Test20 | {_SEPARATE}CertificateSigningCA
Invalid Separate Certificate and CRL Keys Test21 | {_SEPARATE}CA2CertificateSigningCA
""",
    "4.5": f"""
Valid Basic Self-Issued Old With New Test1 | {_NEW_KEY}
Invalid Basic Self-Issued Old With New Test2 | {_NEW_KEY}
Valid Basic Self-Issued New With Old Test3 | {_OLD_KEY}
Valid Basic Self-Issued New With Old Test4 | {_OLD_KEY}
Invalid Basic Self-Issued New With Old Test5 | {_OLD_KEY}
Valid Basic Self-Issued CRL Signing Key Test6 | {_CRL_KEY}
Invalid Basic Self-Issued CRL Signing Key Test7 | {_CRL_KEY}
Invalid Basic Self-Issued CRL Signing Key Test8 | {_CRL_KEY} {_SELF_ISSUED}CRLSigningKeyCRL
""",
    "4.6": f"""
Invalid Missing basicConstraints Test1 | MissingbasicConstraintsCA
Invalid cA False Test2 | basicConstraintsCriticalcAFalseCA
Invalid cA False Test3 | basicConstraintsNotCriticalcAFalseCA
Valid basicConstraints Not Critical Test4 | basicConstraintsNotCriticalCA
Invalid pathLenConstraint Test5 | pathLenConstraint0CA pathLenConstraint0subCA
Invalid pathLenConstraint Test6 | pathLenConstraint0CA pathLenConstraint0subCA
Valid pathLenConstraint Test7 | pathLenConstraint0CA
Valid pathLenConstraint Test8 | pathLenConstraint0CA
Invalid pathLenConstraint Test9 | {_PATH_00}
Invalid pathLenConstraint Test10 | {_PATH_00}
Invalid pathLenConstraint Test11 | {_PATH_11X}
Invalid pathLenConstraint Test12 | {_PATH_11X}
Valid pathLenConstraint Test13 | {_PATH_41X}
Valid pathLenConstraint Test14 | {_PATH_41X}
Valid Self-Issued pathLenConstraint Test15 | {_SELF_ISSUED_0}
Invalid Self-Issued pathLenConstraint Test16 | {_SELF_ISSUED_0} pathLenConstraint0subCA2
Valid Self-Issued pathLenConstraint Test17 | {_SELF_ISSUED_1}
""",
    "4.7": """
Invalid keyUsage Critical keyCertSign False Test1 | keyUsageCriticalkeyCertSignFalseCA
Invalid keyUsage Not Critical keyCertSign False Test2 | keyUsageNotCriticalkeyCertSignFalseCA
Valid keyUsage Not Critical Test3 | keyUsageNotCriticalCA
Invalid keyUsage Critical cRLSign False Test4 | keyUsageCriticalcRLSignFalseCA
Invalid keyUsage Not Critical cRLSign False Test5 | keyUsageNotCriticalcRLSignFalseCA
""",
    "4.14": """
Valid distributionPoint Test1 | distributionPoint1CA
Invalid distributionPoint Test2 | distributionPoint1CA
Invalid distributionPoint Test3 | distributionPoint1CA
Valid distributionPoint Test4 | distributionPoint1CA
Valid distributionPoint Test5 | distributionPoint2CA
Invalid distributionPoint Test6 | distributionPoint2CA
Valid distributionPoint Test7 | distributionPoint2CA
Invalid distributionPoint Test8 | distributionPoint2CA
Invalid distributionPoint Test9 | distributionPoint2CA
Valid No issuingDistributionPoint Test10 | NoissuingDistributionPointCA
Invalid onlyContainsUserCerts CRL Test11 | onlyContainsUserCertsCA
Invalid onlyContainsCACerts CRL Test12 | onlyContainsCACertsCA
Valid onlyContainsCACerts CRL Test13 | onlyContainsCACertsCA
Invalid onlyContainsAttributeCerts Test14 | onlyContainsAttributeCertsCA
Invalid onlySomeReasons Test15 | onlySomeReasonsCA1
Invalid onlySomeReasons Test16 | onlySomeReasonsCA1
Invalid onlySomeReasons Test17 | onlySomeReasonsCA2
Valid onlySomeReasons Test18 | onlySomeReasonsCA3
Valid onlySomeReasons Test19 | onlySomeReasonsCA4
Invalid onlySomeReasons Test20 | onlySomeReasonsCA4
Invalid onlySomeReasons Test21 | onlySomeReasonsCA4
Valid IDP with indirectCRL Test22 | indirectCRLCA1
Invalid IDP with indirectCRL Test23 | indirectCRLCA1
Valid IDP with indirectCRL Test24 | indirectCRLCA2
Valid IDP with indirectCRL Test25 | indirectCRLCA2
Invalid IDP with indirectCRL Test26 | indirectCRLCA2
Invalid cRLIssuer Test27 | indirectCRLCA2
Valid cRLIssuer Test28 | indirectCRLCA3
Valid cRLIssuer Test29 | indirectCRLCA3
Valid cRLIssuer Test30 | indirectCRLCA4
Invalid cRLIssuer Test31 | indirectCRLCA6
Invalid cRLIssuer Test32 | indirectCRLCA6
Valid cRLIssuer Test33 | indirectCRLCA6
Invalid cRLIssuer Test34 | indirectCRLCA5
Invalid cRLIssuer Test35 | indirectCRLCA5
""",
    "4.15": """
Invalid deltaCRLIndicator No Base Test1 | deltaCRLIndicatorNoBaseCA
Valid delta-CRL Test2 | deltaCRLCA1
Invalid delta-CRL Test3 | deltaCRLCA1
Invalid delta-CRL Test4 | deltaCRLCA1
Valid delta-CRL Test5 | deltaCRLCA1
Invalid delta-CRL Test6 | deltaCRLCA1
Valid delta-CRL Test7 | deltaCRLCA1
Valid delta-CRL Test8 | deltaCRLCA2
Invalid delta-CRL Test9 | deltaCRLCA2
Invalid delta-CRL Test10 | deltaCRLCA3
""",
}
