-- a summary's attemptsUsed is the number of its job's attempt rows
-- (contract §3). A violation: a job, what its summary says, and what there is.
SELECT
    job.context ->> 'job_id' AS job,
    max(job.context ->> 'attemptsUsed') FILTER (WHERE job.event_type = 'auto_assign.summary') AS said,
    count(*) FILTER (WHERE job.event_type IN ('auto_assign.attempt', 'auto_assign.attempt_error')) AS found
FROM observability_events AS job
WHERE job.source = 'auto_assign' AND job.context ->> 'job_id' IS NOT NULL
GROUP BY job.context ->> 'job_id'
HAVING
    max((job.context ->> 'attemptsUsed')::integer) FILTER (WHERE job.event_type = 'auto_assign.summary')
    <> count(*) FILTER (WHERE job.event_type IN ('auto_assign.attempt', 'auto_assign.attempt_error'))
