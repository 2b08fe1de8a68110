"""What administrators decided, kept in a database with a change log."""
