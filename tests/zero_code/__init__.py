"""Tests of what is traced without code."""
