"""Whether the User that a request names is the mailbox of the certificate.

Decides equality of names; is not told which certificate led to the mailbox, nor what follows.
"""

from gateway.core.mailbox import Mailbox
from gateway.core.names import fold


def user_matches(user: str, mailbox: Mailbox) -> bool:
    r"""Whether `user` names the mailbox: its UPN, an address, `DOMAIN\sam` or bare sAMAccountName.

    Compared without regard to ASCII case. Where the directory has no sAMAccountName, the UPN's
    local part stands for it; where it has no NetBIOS domain, `DOMAIN` must be the UPN's domain,
    whole or its first label. A request without a User (MS-ASHTTP 2.2.1.1.1.2.2 makes it a name
    for the log) is no question for this function; an empty `user` matches nothing.
    """
    wanted = fold(user)
    if not wanted:
        return False
    local_part, _, domain = mailbox.key.partition("@")
    sam = fold(mailbox.sam_account_name or local_part)
    prefix, backslash, name = wanted.partition("\\")
    if backslash:
        return name == sam and prefix in _domains(mailbox, domain)
    return wanted in (mailbox.key, sam) or any(wanted == fold(a) for a in mailbox.addresses)


def _domains(mailbox: Mailbox, upn_domain: str) -> tuple[str, ...]:
    if mailbox.netbios_domain:
        return (fold(mailbox.netbios_domain),)
    return (upn_domain, upn_domain.partition(".")[0]) if upn_domain else ()
