"""Certificate revocation lists: fetched, verified, compiled and looked up."""
