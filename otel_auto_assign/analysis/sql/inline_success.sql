-- How often does an inline run find tables?
--
-- all              hasHold among inline_auto_assign.quote_result rows, late ones included: today's definition, by which
--                  every quote can have succeeded although every run has timed out
-- late=excluded    the same among those that came before their run had ended
-- outcome=decided  inline_auto_assign.succeeded among the terminals that are not late: one for each run
WITH event AS (
    SELECT
        event_type,
        coalesce(context -> 'hasHold' = 'true', false) AS has_hold,
        coalesce(context -> 'late' = 'true', false) AS late
    FROM {table}
    WHERE created_at >= %(start)s AND created_at < %(end)s AND event_type IN (
        'inline_auto_assign.quote_result',
        'inline_auto_assign.succeeded',
        'inline_auto_assign.no_hold',
        'inline_auto_assign.quote_error',
        'inline_auto_assign.confirm_failed',
        'inline_auto_assign.timeout',
        'inline_auto_assign.operation_aborted'
    )
),
figure (dimension, good, n, source) AS (
    SELECT 'all', count(*) FILTER (WHERE has_hold), count(*), 'inline_auto_assign.quote_result'
    FROM event WHERE event_type = 'inline_auto_assign.quote_result'
    UNION ALL
    SELECT 'late=excluded', count(*) FILTER (WHERE has_hold), count(*), 'inline_auto_assign.quote_result'
    FROM event WHERE event_type = 'inline_auto_assign.quote_result' AND NOT late
    UNION ALL
    SELECT
        'outcome=decided', count(*) FILTER (WHERE event_type = 'inline_auto_assign.succeeded'), count(*),
        'inline_auto_assign.succeeded/inline terminals'
    FROM event WHERE event_type <> 'inline_auto_assign.quote_result' AND NOT late
)
SELECT
    'inline_success_rate_pct' AS metric, dimension, round(100.0 * good / nullif(n, 0), 2) AS value, 'pct' AS unit,
    n AS sample_size, source
FROM figure
