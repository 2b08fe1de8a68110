"""CRLs on their way from a URL to every worker: fetched, verified, compiled, mapped."""
