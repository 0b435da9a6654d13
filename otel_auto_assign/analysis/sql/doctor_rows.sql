-- Which rows of the window lack what conclusions are drawn by, or have odd times?
--
-- A row for each check: how many rows could be judged, how many are not as they should be, and the ids of some. `checks`
-- has for each row and check whether it is not as it should be, null where that cannot be judged: rows that are alike in all
-- of them are counted together, so that millions of rows are grouped once and not once for each check.
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
    SELECT
        id,
        ARRAY[
            told IS NOT TRUE,  -- no_flags
            CASE WHEN told THEN flags ->> 'source' = 'default' END,  -- default_flags
            environment = '',  -- no_environment
            CASE WHEN event_type <> 'auto_assign.started' THEN restaurant IS NULL END,  -- no_restaurant: it may be learnt later
            CASE WHEN flow <> 'direct' THEN booking IS NULL END,  -- no_booking
            CASE WHEN source = 'auto_assign' AND flow <> 'direct' THEN run = '' END,  -- no_job_id
            CASE WHEN source = 'bookings.inline_auto_assign' THEN run = '' END,  -- no_attempt_id
            source NOT IN ('auto_assign', 'bookings.inline_auto_assign'),  -- strange_source
            created_at > %(now)s + interval '1 minute',  -- future
            CASE WHEN jsonb_typeof(duration) = 'number' THEN duration < '0' END  -- negative
        ] AS checks
    FROM found
    CROSS JOIN LATERAL (
        SELECT
            flags -> 'retry_policy_v2' IN ('true', 'false') AND flags -> 'planner_cache' IN ('true', 'false') AS told
    ) AS said
    OFFSET 0
),
tally AS (
    SELECT
        checks, count(*) AS n,
        min(id::text) FILTER (WHERE true = ANY (checks)) AS first,
        max(id::text) FILTER (WHERE true = ANY (checks)) AS last
    FROM judged
    GROUP BY checks
)
SELECT
    name AS check, sum(n)::bigint AS examined, coalesce(sum(n) FILTER (WHERE wrong), 0)::bigint AS violations,
    array_remove(ARRAY[min(first) FILTER (WHERE wrong), max(last) FILTER (WHERE wrong)], NULL) AS examples
FROM tally
CROSS JOIN LATERAL unnest(
    ARRAY[
        'no_flags', 'default_flags', 'no_environment', 'no_restaurant', 'no_booking', 'no_job_id', 'no_attempt_id',
        'strange_source', 'future', 'negative'
    ],
    checks
) AS checked (name, wrong)
WHERE wrong IS NOT NULL
GROUP BY name
