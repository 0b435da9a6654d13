-- every inline run has exactly one terminal; what comes later is marked late
-- (contract §3). A violation: a run and how many terminals it has.
SELECT
    context ->> 'attemptId' AS run,
    count(*) FILTER (
        WHERE coalesce(context -> 'late', 'false') <> 'true' AND event_type IN (
            'inline_auto_assign.succeeded',
            'inline_auto_assign.no_hold',
            'inline_auto_assign.quote_error',
            'inline_auto_assign.confirm_failed',
            'inline_auto_assign.timeout',
            'inline_auto_assign.operation_aborted'
        )
    ) AS terminals
FROM observability_events
WHERE source = 'bookings.inline_auto_assign'
GROUP BY run
HAVING count(*) FILTER (
    WHERE coalesce(context -> 'late', 'false') <> 'true' AND event_type IN (
        'inline_auto_assign.succeeded',
        'inline_auto_assign.no_hold',
        'inline_auto_assign.quote_error',
        'inline_auto_assign.confirm_failed',
        'inline_auto_assign.timeout',
        'inline_auto_assign.operation_aborted'
    )
) <> 1
