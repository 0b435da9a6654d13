-- Which inline runs that began in the window contradict themselves?
--
-- A row for each check: how many runs could be judged, how many are not as they should be, and the ids (attemptId) of at
-- most twenty. A run is all rows of the inline flow with its attemptId; see doctor_jobs.sql for the parameters.
WITH found AS (
    SELECT
        context ->> 'attemptId' AS run, created_at, event_type, severity,
        coalesce(context ->> 'late' = 'true', false) AS late,
        coalesce(context ->> 'hasHold' = 'true', false) AS has_hold,
        jsonb_hash_extended(context -> 'flags', 0) AS flags
    FROM {table} AS event
    WHERE
        source = 'bookings.inline_auto_assign' AND event_type = ANY (%(events)s) AND context ->> 'attemptId' <> ''
        AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
),
run AS (
    SELECT
        run, max(created_at) AS ended,
        count(*) FILTER (WHERE NOT late AND event_type = ANY (%(terminals)s)) AS terminals,
        min(created_at) FILTER (WHERE NOT late AND event_type = 'inline_auto_assign.timeout') AS timed_out,
        count(*) FILTER (WHERE event_type = 'inline_auto_assign.quote_result') AS results,
        max(created_at) FILTER (WHERE NOT late AND has_hold AND event_type = 'inline_auto_assign.quote_result') AS held,
        count(*) FILTER (WHERE event_type = 'auto_assign.quote') AS quotes,
        count(*) FILTER (WHERE event_type = 'auto_assign.quote' AND severity = 'info') AS answered,
        min(flags) IS DISTINCT FROM max(flags) AS mixed
    FROM found
    GROUP BY run
    HAVING min(created_at) >= %(first)s AND min(created_at) < %(last)s
),
judged AS (
    SELECT run, name, wrong
    FROM run
    CROSS JOIN LATERAL (
        VALUES
            ('no_terminal', terminals = 0, terminals > 0 OR ended < %(silent)s),
            ('many_terminals', terminals > 1, true),
            -- a hold before the time-out, whose confirm was too slow, is well
            ('held_yet_timed_out', coalesce(held > timed_out + interval '2 ms', false), timed_out IS NOT NULL),
            ('inline_quotes', results <> answered, results > 0 OR quotes > 0),
            ('mixed_run_flags', mixed, true)
    ) AS checked (name, wrong, known)
    WHERE known
)
SELECT
    name AS check, examined, violations,
    ARRAY(SELECT one FROM unnest(wrong_ones) AS one ORDER BY one LIMIT 20) AS examples
FROM (
    -- not sorted here, where the right ones would be sorted, too
    SELECT
        name, count(*) AS examined, count(*) FILTER (WHERE wrong) AS violations,
        array_agg(run) FILTER (WHERE wrong) AS wrong_ones
    FROM judged
    GROUP BY name
) AS counted
