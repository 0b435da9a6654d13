"""What users' type checkers see; mypy reads it, pytest runs it."""
