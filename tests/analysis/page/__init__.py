"""Tests of otel_auto_assign.analysis.page."""
