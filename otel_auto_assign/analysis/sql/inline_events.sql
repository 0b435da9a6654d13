-- How many inline runs succeeded, how many timed out, and which share is that of the two?
--
-- all  events, whatever else ended other runs: today's definition. The sample of the two counts is every run that ended
--      (terminals that are not late), so that none out of many is a 0 and none out of nothing is empty.
WITH event AS (
    SELECT
        count(*) FILTER (WHERE event_type = 'inline_auto_assign.succeeded') AS succeeded,
        count(*) FILTER (WHERE event_type = 'inline_auto_assign.timeout') AS timed_out,
        count(*) AS ended
    FROM {table}
    WHERE
        created_at >= %(start)s AND created_at < %(end)s
        AND event_type IN (
            'inline_auto_assign.succeeded',
            'inline_auto_assign.no_hold',
            'inline_auto_assign.quote_error',
            'inline_auto_assign.confirm_failed',
            'inline_auto_assign.timeout',
            'inline_auto_assign.operation_aborted'
        )
        AND NOT coalesce(context -> 'late' = 'true', false)
)
SELECT metric, 'all' AS dimension, value, unit, n AS sample_size, source
FROM event
CROSS JOIN LATERAL (
    VALUES
        (
            'inline_timeout_pct',
            round(100.0 * timed_out / nullif(timed_out + succeeded, 0), 2),
            'pct',
            timed_out + succeeded,
            'inline_auto_assign.timeout/inline_auto_assign.timeout+inline_auto_assign.succeeded'
        ),
        (
            'inline_success_event_count',
            CASE WHEN ended > 0 THEN succeeded::numeric END,
            'count',
            ended,
            'inline_auto_assign.succeeded'
        ),
        (
            'inline_timeout_event_count',
            CASE WHEN ended > 0 THEN timed_out::numeric END,
            'count',
            ended,
            'inline_auto_assign.timeout'
        )
) AS shown (metric, value, unit, n, source)
