-- Which rows of the window lack what conclusions are drawn by, or have odd times?
--
-- A row for each check: how many rows could be judged, how many are not as they should be, and the ids of some.
WITH found AS (
    SELECT
        id, created_at, source, event_type, context -> 'flags' AS flags, coalesce(context ->> 'flow', '') AS flow,
        coalesce(context ->> 'environment', '') AS environment, {restaurant} AS restaurant, {booking} AS booking,
        coalesce(context ->> CASE source WHEN 'auto_assign' THEN 'job_id' ELSE 'attemptId' END, '') AS run,
        coalesce(context -> 'durationMs', context -> 'totalDurationMs', context -> 'planner_duration_ms') AS duration
    FROM {table} AS event
    WHERE event_type = ANY (%(events)s) AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
),
judged AS (
    SELECT id, name, wrong
    FROM found
    CROSS JOIN LATERAL (
        SELECT
            flags -> 'retry_policy_v2' IN ('true', 'false') AND flags -> 'planner_cache' IN ('true', 'false') AS told
    ) AS said
    CROSS JOIN LATERAL (
        VALUES
            ('no_flags', told IS NOT TRUE, true),
            ('default_flags', flags ->> 'source' = 'default', told AND flags ->> 'source' IS NOT NULL),
            ('no_environment', environment = '', true),
            -- a job may learn its restaurant after its start
            ('no_restaurant', restaurant IS NULL, event_type <> 'auto_assign.started'),
            ('no_booking', booking IS NULL, flow <> 'direct'),
            ('no_job_id', run = '', source = 'auto_assign' AND flow <> 'direct'),
            ('no_attempt_id', run = '', source = 'bookings.inline_auto_assign'),
            ('strange_source', source NOT IN ('auto_assign', 'bookings.inline_auto_assign'), true),
            ('future', created_at > %(now)s + interval '1 minute', true),
            ('negative', duration < '0', jsonb_typeof(duration) = 'number')
    ) AS checked (name, wrong, known)
    WHERE known
)
SELECT
    name AS check, count(*) AS examined, count(*) FILTER (WHERE wrong) AS violations,
    array_remove(ARRAY[min(id::text) FILTER (WHERE wrong), max(id::text) FILTER (WHERE wrong)], NULL) AS examples
FROM judged
GROUP BY name
