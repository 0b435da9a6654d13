"""Tests of the way of a span into the table."""
