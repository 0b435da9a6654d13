-- what only a flag allows happens only where the row says that it was on
-- (contract §2). A violation: an event type and its flags.
SELECT event_type, context ->> 'flags' AS flags
FROM observability_events
WHERE
    context -> 'flags' ->> 'retry_policy_v2' <> 'true' AND event_type IN (
        'auto_assign.hard_stop',
        'auto_assign.inline_skip_attempt',
        'auto_assign.inline_timeout_adjustment'
    )
    OR context -> 'flags' ->> 'planner_cache' <> 'true' AND context -> 'cache_hit' = 'true'
