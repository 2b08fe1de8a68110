"""What one phone, mailbox, certificate or address may take of a node, counted over its workers."""
