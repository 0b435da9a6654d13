-- Which rows of jobs have no job_id, as telemetry before ours wrote them, and to which job does each belong?
--
-- Those rows as the table has them, with a job_id: their booking, and which of its starts in the window they follow. What
-- follows none, or has no booking, is left out. It stands in the place of the table in other statements.
SELECT {columns}, context || jsonb_build_object('job_id', concat(booking, ', job ', nth)) AS context
FROM (
    SELECT
        event.*, {booking} AS booking,
        count(*) FILTER (WHERE event_type = 'auto_assign.started') OVER (
            PARTITION BY {booking} ORDER BY created_at, event_type <> 'auto_assign.started'
        ) AS nth
    FROM {table} AS event
    WHERE
        source = 'auto_assign' AND event_type = ANY (%(events)s) AND coalesce(context ->> 'job_id', '') = ''
        AND jsonb_typeof(context) = 'object' AND coalesce(context ->> 'flow', 'job') <> 'direct'
        AND {booking} IS NOT NULL AND {rows}
) AS event
WHERE nth > 0
