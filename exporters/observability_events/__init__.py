"""Rows of automatic table assignment in PostgreSQL, made from the spans of ``otel_auto_assign``."""

from observability_events.accounts import Accounts
from observability_events.exporter import ObservabilityEventsExporter
from observability_events.pipeline import Pipeline
from observability_events.processor import ObservabilityEventsProcessor

__all__ = ["Accounts", "ObservabilityEventsExporter", "ObservabilityEventsProcessor", "Pipeline"]
