r"""Down-level logon names: `DOMAIN\sAMAccountName`."""


def split_logon_name(text: str) -> tuple[str | None, str]:
    """NetBIOS domain (None where the text has none) and sAMAccountName."""
    domain, backslash, name = text.partition("\\")
    return (domain, name) if backslash else (None, text)
