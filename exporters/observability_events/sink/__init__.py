"""The same rows made behind a collector. Needs the extra ``sink``."""
