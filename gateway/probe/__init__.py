"""A device and a mail server as programs, to try the gateway with."""
