"""A development PKI; not for production keys."""
