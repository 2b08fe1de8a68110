"""What the gateway must not lose: CAs, mailboxes, token-valid-from, blocks, the audit trail."""
