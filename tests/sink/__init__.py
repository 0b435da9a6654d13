"""The sink: rows made behind a collector."""
