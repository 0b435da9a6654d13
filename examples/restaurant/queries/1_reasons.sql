-- why do attempts fail, without and with the flags?
SELECT context->>'reasonCode' AS reason,
  count(*) FILTER (WHERE context->'flags'->>'retry_policy_v2' = 'false') AS without,
  count(*) FILTER (WHERE context->'flags'->>'retry_policy_v2' = 'true') AS with
FROM observability_events WHERE event_type ~ 'auto_assign.attempt' GROUP BY 1 ORDER BY 2 DESC;
