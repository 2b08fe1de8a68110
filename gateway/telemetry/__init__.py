"""What operations see: counters, audit records, log lines, and the pipe they travel in."""
