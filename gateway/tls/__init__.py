"""TLS towards the phones: contexts and the memory-buffer connection."""
