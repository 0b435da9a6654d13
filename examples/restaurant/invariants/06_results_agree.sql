-- succeeded, failed, cutoff and already-confirmed rows agree with the summary
-- (contract §3). A violation: a job, its result, and the rows that speak of one.
SELECT
    context ->> 'job_id' AS job,
    max(context ->> 'result') AS result,
    array_agg(event_type) FILTER (WHERE event_type <> 'auto_assign.summary') AS others
FROM observability_events
WHERE event_type IN (
    'auto_assign.summary',
    'auto_assign.succeeded',
    'auto_assign.failed',
    'auto_assign.cutoff_skipped',
    'auto_assign.exited_already_confirmed'
)
GROUP BY job
HAVING array_agg(event_type) FILTER (WHERE event_type <> 'auto_assign.summary') IS DISTINCT FROM
    CASE max(context ->> 'result')
        WHEN 'succeeded' THEN ARRAY['auto_assign.succeeded']
        WHEN 'exhausted' THEN ARRAY['auto_assign.failed']
        WHEN 'cutoff' THEN ARRAY['auto_assign.cutoff_skipped']
        WHEN 'already_confirmed' THEN ARRAY['auto_assign.exited_already_confirmed']
    END
