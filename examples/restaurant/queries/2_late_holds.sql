-- which requests gave up although a table was found, and how long did the planner take?
SELECT t.booking_id, t.context->'elapsedMs' AS gave_up_ms, q.context->'durationMs' AS quote_ms
FROM observability_events t JOIN observability_events q USING (booking_id)
WHERE t.event_type = 'inline_auto_assign.timeout' AND q.context->'hasHold' = 'true'
ORDER BY quote_ms DESC LIMIT 5;
