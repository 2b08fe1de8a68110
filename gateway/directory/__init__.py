"""Where mailboxes come from."""
