-- In which traces did something take just so long?
--
-- A row for each event type of `events` and each of `durations` (ms, of two decimals) that a row of it has.
WITH found AS (
    SELECT
        event_type, context ->> 'trace_id' AS trace,
        round(
            CASE event_type
                WHEN 'auto_assign.quote' THEN coalesce({planner_ms}, {ms})
                WHEN 'auto_assign.summary' THEN {total_ms}
                ELSE {ms}
            END::numeric, 2
        ) AS ms
    FROM {table} AS event
    WHERE event_type = ANY (%(events)s) AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
)
SELECT event_type, ms::double precision AS ms, min(trace) AS trace
FROM found
WHERE ms = ANY (%(durations)s::numeric[]) AND trace ~ '^[0-9a-f]{{32}}$'
GROUP BY event_type, ms
