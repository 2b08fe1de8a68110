"""The data plane: requests from phones, passed to the mail server."""
