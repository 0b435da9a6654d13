-- Which inline time-outs found tables after all, and how much too late?
SELECT t.booking_id, round((t.context->>'elapsedMs')::numeric) AS gave_up_ms, round((q.context->>'durationMs')::numeric) AS quote_ms
FROM observability_events t JOIN observability_events q USING (booking_id)
WHERE t.event_type = 'inline_auto_assign.timeout' AND q.event_type = 'inline_auto_assign.quote_result'
  AND q.context->'late' = 'true' AND q.context->'hasHold' = 'true' ORDER BY 3 DESC LIMIT 5;
