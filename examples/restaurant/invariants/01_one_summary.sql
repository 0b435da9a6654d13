-- every job that started has exactly one summary, on every way out
-- (contract §3). A violation: a job, its started rows and its summaries.
SELECT
    context ->> 'job_id' AS job,
    count(*) FILTER (WHERE event_type = 'auto_assign.started') AS started,
    count(*) FILTER (WHERE event_type = 'auto_assign.summary') AS summaries
FROM observability_events
WHERE source = 'auto_assign' AND context ->> 'job_id' IS NOT NULL
GROUP BY job
HAVING
    count(*) FILTER (WHERE event_type = 'auto_assign.started') <> 1
    OR count(*) FILTER (WHERE event_type = 'auto_assign.summary') <> 1
