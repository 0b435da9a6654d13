-- How many jobs started, succeeded, failed, were stopped hard?
--
-- all  rows of the event type. The sample is the jobs that started in the window (at least those counted: a job may
--      have started before it), so that none out of many is a 0 and none out of nothing is empty.
WITH event AS (
    SELECT event_type, count(*) AS n
    FROM {table}
    WHERE created_at >= %(start)s AND created_at < %(end)s AND event_type IN (
        'auto_assign.started', 'auto_assign.succeeded', 'auto_assign.failed', 'auto_assign.hard_stop'
    )
    GROUP BY event_type
),
figure AS (
    SELECT
        metric, source, coalesce(n, 0) AS n,
        greatest(coalesce(n, 0), (SELECT event.n FROM event WHERE event_type = 'auto_assign.started')) AS jobs
    FROM (
        VALUES
            ('job_started_count', 'auto_assign.started'),
            ('job_succeeded_count', 'auto_assign.succeeded'),
            ('job_failed_count', 'auto_assign.failed'),
            ('job_hard_stop_count', 'auto_assign.hard_stop')
    ) AS wanted (metric, source)
    LEFT JOIN event ON event_type = source
)
SELECT
    metric, 'all' AS dimension, CASE WHEN jobs > 0 THEN n::numeric END AS value, 'count' AS unit,
    jobs AS sample_size, source
FROM figure
