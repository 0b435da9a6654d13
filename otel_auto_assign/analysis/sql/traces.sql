-- To which traces do these rows, jobs and inline runs belong?
--
-- A row for each of `ids` (a row's id, a job_id or an attemptId) whose rows have a trace id. What is no trace id of the
-- contract's is none, for it becomes a part of an address.
WITH found AS (
    SELECT
        id::text AS row_id, context ->> 'job_id' AS job, context ->> 'attemptId' AS run, context ->> 'trace_id' AS trace
    FROM {table} AS event
    WHERE {rows}
    OFFSET 0  -- a fence: what is asked of the context is asked once
)
SELECT one AS id, min(trace) AS trace
FROM found
CROSS JOIN LATERAL (VALUES (row_id), (job), (run)) AS named (one)
WHERE
    (row_id = ANY (%(ids)s) OR job = ANY (%(ids)s) OR run = ANY (%(ids)s))
    AND one = ANY (%(ids)s) AND trace ~ '^[0-9a-f]{{32}}$'
GROUP BY one
