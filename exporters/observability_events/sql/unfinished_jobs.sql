-- Which jobs lack their summary, or the row of their start? And how many rows of jobs are other programs'?
--
-- One line a job, by the time of its first row; times in Unix microseconds. Rows without the ids that ours have are one
-- line together, without ids; quotes outside any flow have no job and are left out.
--
-- since  rows before it are not looked at; null: all are.
WITH event AS MATERIALIZED ( -- else whole rows are sorted: five times as much on the server's disk
    SELECT
        {created_at} AS created_at,
        event_type,
        {context}->>'trace_id' AS trace_id,
        {context}->>'job_id' AS job_id
    FROM {table}
    WHERE
        source = 'auto_assign' AND event_type LIKE 'auto\_assign.%%' AND isfinite(created_at)
        AND (%(since)s::timestamptz IS NULL OR {created_at} >= %(since)s)
        AND ({context}->>'job_id' IS NOT NULL OR {context}->>'flow' IS DISTINCT FROM 'direct')
),
job AS (
    SELECT
        CASE WHEN job_id IS NOT NULL THEN trace_id END AS trace_id,
        CASE WHEN trace_id IS NOT NULL THEN job_id END AS job_id,
        min(created_at) AS first,
        max(created_at) AS last,
        count(*) AS n,
        bool_or(event_type = 'auto_assign.started') AS started,
        bool_or(event_type = 'auto_assign.summary') AS summarised
    FROM event
    GROUP BY 1, 2
)
SELECT
    trace_id, job_id, n, started, summarised,
    (extract(epoch FROM first) * 1000000)::bigint AS first_us,
    (extract(epoch FROM last) * 1000000)::bigint AS last_us
FROM job
WHERE job_id IS NULL OR NOT (started AND summarised)
ORDER BY first, trace_id, job_id
