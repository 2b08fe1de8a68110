"""Who the gateway is to the mail server behind it."""
