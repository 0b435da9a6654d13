"""Tests of the commands of ``otel-auto-assign``."""
