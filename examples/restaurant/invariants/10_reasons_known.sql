-- every failed quote has a reason code that is known
-- (contract §5). A violation: an unknown reason.
SELECT context ->> 'reason' AS reason, context ->> 'planner_error' AS error
FROM observability_events
WHERE
    event_type = 'auto_assign.quote' AND context -> 'success' = 'false'
    AND coalesce(context ->> 'reasonCode', 'unknown') = 'unknown'
