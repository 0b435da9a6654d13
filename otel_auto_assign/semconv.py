"""Every name that leaves this product: spans, attributes, event types, enumerations and the schema URL.

No other module spells one of them. The tables they come from are in ``docs/CONTRACT.md``: §3 for rows, §4 for
spans, §5 for reason codes. Names taken from OpenTelemetry's own conventions are marked as such.
"""

from __future__ import annotations

from typing import Final

INSTRUMENTATION_NAME: Final = "otel_auto_assign"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.30.0"
"""The version of OpenTelemetry's conventions that the standard attributes below were taken from."""

OWN_PREFIX: Final = "auto_assign."
"""How every name of ours begins that stands on a span."""

# -- spans --------------------------------------------------------------------------------------------------------

SPAN_JOB: Final = "auto_assign.job"
SPAN_ATTEMPT: Final = "auto_assign.attempt"
SPAN_QUOTE: Final = "auto_assign.quote"
SPAN_CONFIRM: Final = "auto_assign.confirm"
SPAN_INLINE: Final = "auto_assign.inline"
SPAN_STAGE: Final = "auto_assign.stage"
SPANS: Final = frozenset({SPAN_JOB, SPAN_ATTEMPT, SPAN_QUOTE, SPAN_CONFIRM, SPAN_INLINE, SPAN_STAGE})

# -- span attributes: on all spans --------------------------------------------------------------------------------

BOOKING_ID: Final = "auto_assign.booking.id"
RESTAURANT_ID: Final = "auto_assign.restaurant.id"
TRIGGER: Final = "auto_assign.trigger"
FLOW: Final = "auto_assign.flow"
FLAG_RETRY_POLICY_V2: Final = "auto_assign.flags.retry_policy_v2"
FLAG_PLANNER_CACHE: Final = "auto_assign.flags.planner_cache"
FLAG_SOURCE: Final = "auto_assign.flags.source"
ERROR_TYPE: Final = "error.type"  # OpenTelemetry's own
FUNCTION_NAME: Final = "code.function.name"  # OpenTelemetry's own; on spans of functions, not of blocks

# -- children of a run --------------------------------------------------------------------------------------------

JOB_ID: Final = "auto_assign.job.id"
INLINE_ATTEMPT_ID: Final = "auto_assign.inline.attempt_id"  # on the inline span and on a job with a hint, too
LATE: Final = "auto_assign.late"
ATTEMPT_INDEX: Final = "auto_assign.attempt.index"

# -- outcomes: quote, attempt, confirm, inline --------------------------------------------------------------------

SUCCESS: Final = "auto_assign.success"
REASON: Final = "auto_assign.reason"
REASON_CODE: Final = "auto_assign.reason_code"
CACHE_HIT: Final = "auto_assign.cache_hit"
ALTERNATES: Final = "auto_assign.alternates"
HOLD_ID: Final = "auto_assign.hold.id"
CANCELLED: Final = "auto_assign.cancelled"

# -- quote --------------------------------------------------------------------------------------------------------

NESTED: Final = "auto_assign.nested"
STRATEGY_REQUIRE_ADJACENCY: Final = "auto_assign.strategy.require_adjacency"
STRATEGY_MAX_TABLES: Final = "auto_assign.strategy.max_tables"
CACHE_STATUS: Final = "auto_assign.cache.status"
PLANNER_INTERNAL: Final = "auto_assign.planner.internal"

# -- attempt ------------------------------------------------------------------------------------------------------

ATTEMPT_IMPLICIT: Final = "auto_assign.attempt.implicit"
ATTEMPT_PLANNER_CALLS: Final = "auto_assign.attempt.planner_calls"
ADJUSTMENT_REQUIRE_ADJACENCY: Final = "auto_assign.adjustment.require_adjacency"
ADJUSTMENT_MAX_TABLES: Final = "auto_assign.adjustment.max_tables"
ADJUSTMENT_MAX_ATTEMPTS: Final = "auto_assign.adjustment.max_attempts"

# -- job ----------------------------------------------------------------------------------------------------------

BOOKING_STATUS: Final = "auto_assign.booking.status"
JOB_RESTAURANT_ID: Final = "auto_assign.job.restaurant.id"
JOB_BOOKING_STATUS: Final = "auto_assign.job.booking.status"
JOB_RESULT: Final = "auto_assign.job.result"
JOB_ATTEMPTS_USED: Final = "auto_assign.job.attempts_used"
JOB_MAX_ATTEMPTS: Final = "auto_assign.job.max_attempts"
JOB_LAST_ATTEMPT_INDEX: Final = "auto_assign.job.last_attempt_index"
JOB_HARD_STOP_REASON: Final = "auto_assign.job.hard_stop_reason"
JOB_HARD_STOP_REASON_CODE: Final = "auto_assign.job.hard_stop_reason_code"
JOB_CUTOFF_MINUTES: Final = "auto_assign.job.cutoff_minutes"
JOB_SKIPPED_INITIAL_ATTEMPT: Final = "auto_assign.job.skipped_initial_attempt"
INLINE_SKIP_REASON: Final = "auto_assign.job.inline_skip.reason"
INLINE_SKIP_REASON_CODE: Final = "auto_assign.job.inline_skip.reason_code"
INLINE_SKIP_PREVIOUS_MAX_ATTEMPTS: Final = "auto_assign.job.inline_skip.previous_max_attempts"
INLINE_SKIP_NEXT_MAX_ATTEMPTS: Final = "auto_assign.job.inline_skip.next_max_attempts"
INLINE_REASON: Final = "auto_assign.inline.reason"
INLINE_TRIGGER: Final = "auto_assign.inline.trigger"

# -- inline -------------------------------------------------------------------------------------------------------

INLINE_OUTCOME: Final = "auto_assign.inline.outcome"
INLINE_TIMEOUT_MS: Final = "auto_assign.inline.timeout_ms"
INLINE_IDEMPOTENCY_KEY: Final = "auto_assign.inline.idempotency_key"
INLINE_QUOTE_DURATION_MS: Final = "auto_assign.inline.quote_duration_ms"
INLINE_CONFIRM_DURATION_MS: Final = "auto_assign.inline.confirm_duration_ms"

# -- stage --------------------------------------------------------------------------------------------------------

STAGE_NAME: Final = "auto_assign.stage.name"
STAGE_THRESHOLD_MS: Final = "auto_assign.stage.threshold_ms"

# -- log records of exceptions, OpenTelemetry's own ---------------------------------------------------------------

EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

# -- log events: OpenTelemetry's feature flags --------------------------------------------------------------------

LOG_FEATURE_FLAG_EVALUATION: Final = "feature_flag.evaluation"
FEATURE_FLAG_KEY: Final = "feature_flag.key"
FEATURE_FLAG_RESULT_VARIANT: Final = "feature_flag.result.variant"
FEATURE_FLAG_RESULT_VALUE: Final = "feature_flag.result.value"
FEATURE_FLAG_RESULT_REASON: Final = "feature_flag.result.reason"
FEATURE_FLAG_PROVIDER_NAME: Final = "feature_flag.provider.name"
FEATURE_FLAG_ERROR_MESSAGE: Final = "feature_flag.error.message"

# -- metrics ------------------------------------------------------------------------------------------------------

METRIC_QUOTE_DURATION: Final = "auto_assign.quote.duration"
METRIC_JOB_DURATION: Final = "auto_assign.job.duration"
METRIC_INLINE_DURATION: Final = "auto_assign.inline.duration"
METRIC_JOB_ATTEMPTS: Final = "auto_assign.job.attempts"
METRIC_DRAIN: Final = "auto_assign.metrics.drain"  # never has a value

# -- metrics of what writes the rows: OpenTelemetry's own where it has one, then ours -------------------------------

EXPORTER_NAME: Final = "observability_events"
METRIC_PROCESSED: Final = "otel.sdk.processor.span.processed"
METRIC_QUEUE_SIZE: Final = "otel.sdk.processor.span.queue.size"
METRIC_QUEUE_CAPACITY: Final = "otel.sdk.processor.span.queue.capacity"
METRIC_EXPORTED: Final = "otel.sdk.exporter.span.exported"
METRIC_INFLIGHT: Final = "otel.sdk.exporter.span.inflight"
METRIC_OPERATION_DURATION: Final = "otel.sdk.exporter.operation.duration"
METRIC_ALREADY_PRESENT: Final = "auto_assign.exporter.already_present"
METRIC_ADOPTED: Final = "auto_assign.exporter.adopted"
METRIC_HANDED_OVER: Final = "auto_assign.exporter.handed_over"
METRIC_DEAD_LETTERED: Final = "auto_assign.exporter.dead_lettered"
METRIC_UNSECURED: Final = "auto_assign.exporter.unsecured"
METRIC_SPOOL_PENDING: Final = "auto_assign.exporter.spool.pending"
METRIC_SPOOL_USAGE: Final = "auto_assign.exporter.spool.usage"
METRIC_SPOOL_LIMIT: Final = "auto_assign.exporter.spool.limit"
METRIC_CIRCUIT: Final = "auto_assign.exporter.circuit"
METRIC_SINK_LAG: Final = "auto_assign.sink.lag"
METRIC_SINK_MESSAGES: Final = "auto_assign.sink.messages"
METRIC_SINK_RETRIES: Final = "auto_assign.sink.retries"
METRIC_SINK_DEAD_LETTERS: Final = "auto_assign.sink.dead_letters"
METRIC_SINK_COMMIT_DURATION: Final = "auto_assign.sink.commit.duration"

COMPONENT_NAME: Final = "otel.component.name"
COMPONENT_TYPE: Final = "otel.component.type"
COMPONENT_PIPELINE: Final = "observability_events.pipeline.Pipeline"  # the value: a class where no standard one fits
COMPONENT_SINK: Final = "observability_events.sink.writing.SinkWriter"
COMPONENT_KAFKA: Final = "observability_events.sink.consuming.Consuming"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
MESSAGING_PARTITION: Final = "messaging.destination.partition.id"
MESSAGING_GROUP: Final = "messaging.consumer.group.name"
METRIC_CIRCUIT_STATE: Final = "auto_assign.exporter.circuit.state"

ERROR_QUEUE_FULL: Final = "queue_full"  # the conventions prescribe these three
ERROR_ALREADY_SHUTDOWN: Final = "already_shutdown"
ERROR_REJECTED: Final = "rejected"

# -- resource attributes, OpenTelemetry's own ---------------------------------------------------------------------

SERVICE_NAME: Final = "service.name"
DEPLOYMENT_ENVIRONMENT_NAME: Final = "deployment.environment.name"
DEPLOYMENT_ENVIRONMENT: Final = "deployment.environment"  # its name before semantic conventions 1.27

# -- enumerations -------------------------------------------------------------------------------------------------

FLOW_JOB: Final = "job"
FLOW_INLINE: Final = "inline"
FLOW_DIRECT: Final = "direct"

FLAGS_FROM_ENVIRONMENT: Final = "env"
FLAGS_FROM_PROVIDER: Final = "provider"
FLAGS_BY_DEFAULT: Final = "default"

RESULT_SUCCEEDED: Final = "succeeded"
RESULT_EXHAUSTED: Final = "exhausted"
RESULT_CUTOFF: Final = "cutoff"
RESULT_ALREADY_CONFIRMED: Final = "already_confirmed"
RESULT_ERROR: Final = "error"
RESULT_SKIPPED: Final = "skipped"
RESULT_CANCELLED: Final = "cancelled"
RESULT_ABANDONED: Final = "abandoned"
RESULTS_OF_JOBS: Final = frozenset(
    {
        RESULT_SUCCEEDED,
        RESULT_EXHAUSTED,
        RESULT_CUTOFF,
        RESULT_ALREADY_CONFIRMED,
        RESULT_ERROR,
        RESULT_SKIPPED,
        RESULT_CANCELLED,
    }
)
"""What a job can come to; ``abandoned`` is said of a job by others, after its process died."""
RESULTS: Final = RESULTS_OF_JOBS | {RESULT_ABANDONED}

INLINE_SUCCEEDED: Final = "succeeded"
INLINE_NO_HOLD: Final = "no_hold"
INLINE_QUOTE_ERROR: Final = "quote_error"
INLINE_CONFIRM_FAILED: Final = "confirm_failed"
INLINE_TIMEOUT: Final = "timeout"
INLINE_OPERATION_ABORTED: Final = "operation_aborted"
HINT_INLINE_TIMEOUT: Final = "INLINE_TIMEOUT"  # what the application calls it, in the reason that a job is told
INLINE_OUTCOMES: Final = frozenset(
    {
        INLINE_SUCCEEDED,
        INLINE_NO_HOLD,
        INLINE_QUOTE_ERROR,
        INLINE_CONFIRM_FAILED,
        INLINE_TIMEOUT,
        INLINE_OPERATION_ABORTED,
    }
)

ERROR_TYPE_TIMEOUT: Final = "timeout"
ERROR_TYPE_OTHER: Final = "_OTHER"  # OpenTelemetry's own fallback

CODE_SUCCESS: Final = "success"
CODE_UNKNOWN: Final = "unknown"
CODE_NO_SUITABLE_TABLES: Final = "hard.no_suitable_tables"
CODE_NO_CAPACITY: Final = "hard.no_capacity"
CODE_INSUFFICIENT_CAPACITY: Final = "hard.insufficient_capacity"
CODE_INSUFFICIENT_FILTERED_CAPACITY: Final = "hard.insufficient_filtered_capacity"
CODE_NO_TABLES: Final = "hard.no_tables"
CODE_GLOBAL_CAPACITY: Final = "hard.global_capacity"
CODE_MAX_TABLES: Final = "hard.max_tables"
CODE_SERVICE_OVERRUN: Final = "hard.service_overrun"
CODE_ZONE_LOCKED: Final = "hard.zone_locked"
CODE_TABLES_NOT_MOVABLE: Final = "hard.tables_not_movable"
CODE_HOLD_CONFLICT: Final = "transient.hold_conflict"
CODE_IDEMPOTENCY_CONFLICT: Final = "transient.idempotency_conflict"
CODE_REPOSITORY_ERROR: Final = "transient.repository_error"
CODE_TIMEOUT: Final = "transient.timeout"
CODE_ABORT: Final = "transient.abort"
CODE_RPC_ERROR: Final = "transient.rpc_error"
CODE_LOCK_WAIT: Final = "transient.lock_wait"

TRIGGER_UNKNOWN: Final = "unknown"
"""What ``trigger`` says where the application named none; the contract allows no null."""

# -- rows ---------------------------------------------------------------------------------------------------------

SOURCE_JOB: Final = "auto_assign"
SOURCE_INLINE: Final = "bookings.inline_auto_assign"

SEVERITY_INFO: Final = "info"
SEVERITY_WARNING: Final = "warning"
SEVERITY_ERROR: Final = "error"

EVENT_STARTED: Final = "auto_assign.started"
EVENT_QUOTE: Final = "auto_assign.quote"
EVENT_ATTEMPT: Final = "auto_assign.attempt"
EVENT_ATTEMPT_ERROR: Final = "auto_assign.attempt_error"
EVENT_PLANNER_CACHE_HIT: Final = "auto_assign.planner_cache_hit"
EVENT_HARD_STOP: Final = "auto_assign.hard_stop"
EVENT_INLINE_SKIP_ATTEMPT: Final = "auto_assign.inline_skip_attempt"
EVENT_INLINE_TIMEOUT_ADJUSTMENT: Final = "auto_assign.inline_timeout_adjustment"
EVENT_CUTOFF_SKIPPED: Final = "auto_assign.cutoff_skipped"
EVENT_EXITED_ALREADY_CONFIRMED: Final = "auto_assign.exited_already_confirmed"
EVENT_SUCCEEDED: Final = "auto_assign.succeeded"
EVENT_FAILED: Final = "auto_assign.failed"
EVENT_STAGE_SLOW: Final = "auto_assign.stage_slow"
EVENT_SUMMARY: Final = "auto_assign.summary"
EVENT_INLINE_QUOTE_RESULT: Final = "inline_auto_assign.quote_result"
EVENT_INLINE_QUOTE_ERROR: Final = "inline_auto_assign.quote_error"
EVENT_INLINE_NO_HOLD: Final = "inline_auto_assign.no_hold"
EVENT_INLINE_CONFIRM_SUCCEEDED: Final = "inline_auto_assign.confirm_succeeded"
EVENT_INLINE_CONFIRM_FAILED: Final = "inline_auto_assign.confirm_failed"
EVENT_INLINE_SUCCEEDED: Final = "inline_auto_assign.succeeded"
EVENT_INLINE_TIMEOUT: Final = "inline_auto_assign.timeout"
EVENT_INLINE_OPERATION_ABORTED: Final = "inline_auto_assign.operation_aborted"
EVENT_INLINE_STAGE_SLOW: Final = "inline_auto_assign.stage_slow"

EVENTS: Final = frozenset(value for name, value in dict(globals()).items() if name.startswith("EVENT_"))
"""All event types of the catalogue."""
INLINE_TERMINALS: Final = frozenset(f"inline_auto_assign.{outcome}" for outcome in INLINE_OUTCOMES)
"""The event types of which an inline run has exactly one that is not late."""
