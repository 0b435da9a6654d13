-- every attempt that asked has its quote, and every quote of a job its attempt
-- (contract §3; late rows stand outside). A violation: a job, an attempt's index, and which side is missing.
SELECT
    coalesce(quote.job, attempt.job) AS job,
    coalesce(quote.idx, attempt.idx) AS idx,
    CASE WHEN quote.job IS NULL THEN 'no quote' ELSE 'no attempt' END AS missing
FROM (
    SELECT DISTINCT context ->> 'job_id' AS job, context ->> 'attempt_index' AS idx
    FROM observability_events
    WHERE
        event_type = 'auto_assign.quote' AND context ->> 'flow' = 'job'
        AND coalesce(context -> 'late', 'false') <> 'true'
) AS quote
FULL JOIN (
    SELECT context ->> 'job_id' AS job, context ->> 'attempt_index' AS idx, (context ->> 'planner_calls')::integer AS n
    FROM observability_events
    WHERE event_type IN ('auto_assign.attempt', 'auto_assign.attempt_error')
) AS attempt USING (job, idx)
WHERE attempt.job IS NULL OR (quote.job IS NULL AND attempt.n > 0)
