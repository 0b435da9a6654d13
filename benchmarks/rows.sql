-- Rows as the contract has them, made by the server: jobs of one to six attempts, half of them after an inline run.
--
-- {runs} bookings over four weeks; ten rows a booking, more or less. Every number is a function of the booking's own,
-- so that two tables made by it are the same. Durations are log-normal, by the sine and square root of two hashes.
WITH run AS (
    SELECT
        n,
        timestamptz '2026-10-01 00:00Z' + n * (interval '28 days' / {runs}) AS started,
        ('00000000-0000-4000-8000-' || lpad((n % 40)::text, 12, '0'))::uuid AS restaurant,
        ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid AS booking,
        md5(n::text) AS trace,
        1 + (hashint8(n) & 1023) % 6 AS attempts,
        (hashint8(n) >> 10 & 7) <> 0 AS seated
    FROM generate_series(1, {runs}) AS n
),
base AS (
    SELECT
        run.*,
        jsonb_build_object(
            'trace_id', trace, 'service', 'booking-api', 'environment', CASE n % 5 WHEN 0 THEN 'staging' ELSE 'production' END,
            'flags', flags, 'featureFlags', flags, 'trigger', 'booking.created'
        ) AS context,
        jsonb_build_object('job_id', left(trace, 16)) AS job,
        jsonb_build_object('attemptId', right(trace, 16)) AS inline
    FROM run
    CROSS JOIN LATERAL (
        SELECT jsonb_build_object('retry_policy_v2', n % 2 = 0, 'planner_cache', n % 2 = 0, 'source', 'env') AS flags
    ) AS flag
),
quote AS (
    SELECT
        base.*, flow, idx, ms, reason, ok, source, own,
        jsonb_build_object(
            'planner_duration_ms', ms, 'durationMs', ms, 'success', ok, 'reason', reason, 'reasonCode', code,
            'reasonCategory', category, 'strategy', strategy, 'attempt_index', idx, 'attemptIndex', idx,
            'cache_hit', hit, 'flow', flow, 'planner_success', ok, 'planner_reason', reason,
            'planner_reason_code', code, 'planner_reason_category', category, 'planner_strategy', strategy
        ) AS said,
        strategy, code, hit
    FROM base
    CROSS JOIN LATERAL (
        SELECT 'job' AS flow, i AS idx, 'auto_assign' AS source, job AS own FROM generate_series(0, attempts - 1) AS i
        UNION ALL
        SELECT 'inline', NULL, 'bookings.inline_auto_assign', inline WHERE n % 2 = 0
    ) AS asked
    CROSS JOIN LATERAL (
        SELECT
            round((150 * exp(
                sqrt(-2 * ln((1 + (hashint8extended(n, 1 + coalesce(idx, 9)) & 65535)) / 65537.0))
                * sin(6.2832 * (hashint8extended(n, 20 + coalesce(idx, 9)) & 65535) / 65536.0)
            ))::numeric, 3) AS ms,
            seated AND (idx = attempts - 1 OR idx IS NULL) AS ok,
            idx > 1 AND hashint8(n) & 4096 = 0 AND NOT seated AS hit,
            jsonb_build_object('requireAdjacency', coalesce(idx, 0) % 2 = 0, 'maxTables', 1 + coalesce(idx, 0) % 3) AS strategy
    ) AS came
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN ok THEN NULL ELSE 'No suitable tables for ' || 2 + n % 7 || ' guests' END AS reason,
            CASE WHEN ok THEN 'success' WHEN n % 3 = 0 THEN 'transient.hold_conflict' ELSE 'hard.no_suitable_tables' END AS code,
            CASE WHEN ok THEN NULL WHEN n % 3 = 0 THEN 'transient' ELSE 'hard' END AS category
    ) AS why
),
event AS (
    SELECT n, 0 AS at, 'auto_assign' AS source, 'auto_assign.started' AS event_type,
        context || job || jsonb_build_object('status', 'pending') AS said
    FROM base
    UNION ALL
    SELECT n, 1 + coalesce(idx, 0), source, 'auto_assign.quote', context || own || said || jsonb_build_object('trigger', 'booking.created') FROM quote
    UNION ALL
    SELECT n, 1 + idx, source, 'auto_assign.attempt', context || own || jsonb_build_object(
            'attempt_index', idx, 'success', ok, 'reason', reason, 'reasonCode', code, 'alternates', 2, 'cache_hit', hit,
            'planner_calls', 1)
    FROM quote WHERE flow = 'job'
    UNION ALL
    SELECT n, 1 + idx, source, 'auto_assign.planner_cache_hit', context || own || jsonb_build_object(
            'attempt_index', idx, 'cache_status', 'hit', 'reason', reason, 'reasonCode', code, 'cache_hit', true)
    FROM quote WHERE flow = 'job' AND hit
    UNION ALL
    SELECT n, 1, source, 'inline_auto_assign.quote_result', context || own || jsonb_build_object(
            'durationMs', ms * 20, 'hasHold', ok, 'reason', reason, 'reasonCode', code, 'strategy', strategy,
            'alternates', 1, 'cache_hit', false)
    FROM quote WHERE flow = 'inline'
    UNION ALL
    SELECT n, 1, source, CASE WHEN ok THEN 'inline_auto_assign.succeeded' WHEN n % 3 = 0 THEN 'inline_auto_assign.timeout' ELSE 'inline_auto_assign.no_hold' END,
        context || own || jsonb_build_object('durationMs', ms * 21, 'reasonCode', code)
    FROM quote WHERE flow = 'inline'
    UNION ALL
    SELECT n, attempts, 'auto_assign', 'auto_assign.summary', context || job || jsonb_build_object(
            'attemptsUsed', attempts, 'maxAttempts', 6, 'result', CASE WHEN seated THEN 'succeeded' ELSE 'exhausted' END,
            'totalDurationMs', attempts * 1500.25, 'skippedInitialAttempt', false, 'inlineSkipReason', NULL, 'hardStopReason', NULL)
    FROM base
    UNION ALL
    SELECT n, attempts, 'auto_assign', CASE WHEN seated THEN 'auto_assign.succeeded' ELSE 'auto_assign.failed' END,
        context || job || CASE WHEN seated THEN jsonb_build_object('attempt_index', attempts - 1, 'durationMs', attempts * 1500.25) ELSE jsonb_build_object('attempts', attempts, 'hardStopReason', NULL) END
    FROM base
)
INSERT INTO {table} (created_at, source, event_type, context, restaurant_id, booking_id)
SELECT started + at * interval '1500.25 ms', event.source, event_type, said || jsonb_build_object('span_id', left(md5(n || event_type || at), 16)), restaurant, booking
FROM event JOIN run USING (n)
ORDER BY n, at
LIMIT {rows}
