"""Where mailboxes come from: files now; each source gives values and knows nothing of the store."""
