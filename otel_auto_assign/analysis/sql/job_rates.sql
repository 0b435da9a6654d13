-- Which share of the jobs succeeds, which fails?
--
-- all              succeeded and failed rows over started rows: today's definition
-- outcome=decided  over the summaries of jobs that came to a decision (not skipped, not cancelled). exhausted, cutoff,
--                  error and abandoned are failures; already_confirmed is neither: somebody else was faster.
WITH event AS (
    SELECT event_type, context ->> 'result' AS result
    FROM {table}
    WHERE created_at >= %(start)s AND created_at < %(end)s AND event_type IN (
        'auto_assign.started', 'auto_assign.succeeded', 'auto_assign.failed', 'auto_assign.summary'
    )
),
tally AS (
    SELECT
        count(*) FILTER (WHERE event_type = 'auto_assign.started') AS started,
        count(*) FILTER (WHERE event_type = 'auto_assign.succeeded') AS succeeded,
        count(*) FILTER (WHERE event_type = 'auto_assign.failed') AS failed,
        count(*) FILTER (
            WHERE event_type = 'auto_assign.summary' AND result NOT IN ('skipped', 'cancelled')
        ) AS decided,
        count(*) FILTER (WHERE event_type = 'auto_assign.summary' AND result = 'succeeded') AS decided_well,
        count(*) FILTER (
            WHERE event_type = 'auto_assign.summary' AND result IN ('exhausted', 'cutoff', 'error', 'abandoned')
        ) AS decided_badly
    FROM event
)
SELECT
    metric, dimension, round(100.0 * part / nullif(whole, 0), 2) AS value, 'pct' AS unit, whole AS sample_size, source
FROM tally
CROSS JOIN LATERAL (
    VALUES
        ('job_success_rate_pct', 'all', succeeded, started, 'auto_assign.succeeded/auto_assign.started'),
        ('job_failure_rate_pct', 'all', failed, started, 'auto_assign.failed/auto_assign.started'),
        ('job_success_rate_pct', 'outcome=decided', decided_well, decided, 'auto_assign.summary'),
        ('job_failure_rate_pct', 'outcome=decided', decided_badly, decided, 'auto_assign.summary')
) AS shown (metric, dimension, part, whole, source)
