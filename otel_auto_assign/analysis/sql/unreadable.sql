-- What cannot be read of the rows whose figures need it?
--
-- A row for each event type and fault: what is missing in the context, or has another type than the contract gives it. A
-- figure leaves such a row out, or takes an odd or missing boolean as false and a missing reason as unknown. A text that
-- looks like a number is no number; one that says true or false is taken at its word, as `->>` gives both alike. Asked
-- only when durations.sql or outcomes.sql have counted such rows.
WITH found AS (
    SELECT
        id, event_type,
        CASE event_type
            WHEN 'auto_assign.quote'
                THEN coalesce(
                    to_jsonb({planner_ms}), nullif(context -> 'durationMs', 'null'), context -> 'planner_duration_ms'
                )
            ELSE context -> 'durationMs'
        END AS duration,
        coalesce(context ->> CASE event_type WHEN 'auto_assign.quote' THEN 'cache_hit' ELSE 'late' END, 'false') AS apart,
        CASE event_type
            WHEN 'auto_assign.attempt' THEN context ->> 'reasonCode'
            WHEN 'auto_assign.summary' THEN context ->> 'result'
            WHEN 'inline_auto_assign.quote_result' THEN context ->> 'hasHold'
        END AS said
    FROM {table} AS event
    WHERE event_type = ANY (%(events)s) AND {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
),
judged AS (
    SELECT
        id, event_type,
        ARRAY[
            timed AND coalesce(duration, 'null') = 'null',
            timed AND duration <> 'null' AND NOT {readable},
            event_type = 'auto_assign.quote' AND apart NOT IN ('true', 'false'),
            event_type LIKE 'inline%%' AND apart NOT IN ('true', 'false'),
            event_type = 'auto_assign.attempt' AND said IS NULL,
            event_type = 'auto_assign.summary' AND coalesce(said, '') <> ALL (%(results)s),
            event_type = 'inline_auto_assign.quote_result' AND coalesce(said, '') NOT IN ('true', 'false')
        ] AS faults
    FROM found
    CROSS JOIN LATERAL (
        SELECT event_type IN ('auto_assign.quote', 'inline_auto_assign.quote_result', 'auto_assign.succeeded') AS timed
    ) AS is_a
    OFFSET 0  -- and what is wrong with them is found once
),
tally AS (
    -- rows that are alike are counted together: each fault of each row by itself would be seven times as many
    SELECT event_type, faults, count(*) AS n, min(id::text) AS example
    FROM judged
    WHERE true = ANY (faults)
    GROUP BY event_type, faults
)
SELECT event_type, what, sum(n)::bigint AS rows, min(example) AS example
FROM tally
CROSS JOIN LATERAL unnest(
    ARRAY[
        'no duration', 'a duration that is no number', 'cache_hit is no boolean', 'late is no boolean', 'no reasonCode',
        'a result that no job has', 'hasHold is no boolean'
    ],
    faults
) AS checked (what, wrong)
WHERE wrong
GROUP BY event_type, what
ORDER BY event_type, what
