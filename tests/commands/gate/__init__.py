"""Tests of `otel-auto-assign gate`."""
