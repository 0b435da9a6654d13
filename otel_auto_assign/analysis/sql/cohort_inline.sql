-- Which inline runs started in the window, under which flags, and what became of them?
--
-- A row for each run (attemptId); it starts as long before its terminal as that says it took, one without a terminal as
-- long before its first quote's end as that took. See cohort_jobs.sql for the columns; limit_ms is the time-out of a run
-- that timed out; nameless counts terminals.
WITH found AS (
    SELECT
        coalesce(context ->> 'attemptId', '') AS run, created_at, event_type, {booking} AS booking, {restaurant} AS restaurant,
        event_type = ANY (%(terminals)s) AND NOT coalesce(context ->> 'late' = 'true', false) AS terminal,
        CASE WHEN {ms} >= 0 THEN {ms} END AS ms, {timeout_ms} AS limit_ms, context -> 'flags' AS flags
    FROM {table} AS event
    WHERE
        source = 'bookings.inline_auto_assign' AND event_type = ANY (%(events)s) AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
),
run AS (
    SELECT
        run, max(booking) AS booking, max(restaurant) AS restaurant, max(created_at) AS told_at,
        min(created_at - make_interval(secs => least(coalesce(ms, 0), 1e11) / 1000)) AS began,
        -- the first terminal, where old telemetry went on after it
        (array_agg(event_type ORDER BY created_at) FILTER (WHERE terminal))[1] AS outcome,
        (array_agg(ms ORDER BY created_at) FILTER (WHERE terminal))[1] AS ms,
        (array_agg(limit_ms ORDER BY created_at) FILTER (WHERE event_type = 'inline_auto_assign.timeout'))[1] AS limit_ms,
        (array_agg(flags ORDER BY terminal DESC, created_at))[1] AS flags,
        min(flags::text) IS DISTINCT FROM max(flags::text) AS mixed,
        count(*) FILTER (WHERE run = '' AND terminal AND created_at < %(last)s) AS nameless
    FROM found
    GROUP BY run
)
SELECT
    run, booking, restaurant,
    (extract(epoch FROM began) * 1000)::double precision AS began_ms,
    (began AT TIME ZONE %(zone)s)::date - date '0001-01-01' + 1 AS day,
    ms,
    (extract(epoch FROM told_at) * 1000)::double precision AS told_ms,
    coalesce(split_part(outcome, '.', 2), '') AS outcome,
    0 AS attempts,
    limit_ms,
    CASE flags -> 'retry_policy_v2' WHEN 'true' THEN true WHEN 'false' THEN false END AS policy,
    CASE flags -> 'planner_cache' WHEN 'true' THEN true WHEN 'false' THEN false END AS cache,
    coalesce(flags ->> 'source' = 'default', false) AS by_default,
    mixed, nameless
FROM run
WHERE nameless > 0 OR (run <> '' AND began >= %(first)s AND began < %(last)s)
