"""What the library raises when it reads a certificate that is wrong.

Names the exceptions; what they mean for a certificate is for the reader to say.
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

UNREADABLE: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""It parses lazily, so that each of them may come from any attribute of a certificate."""
