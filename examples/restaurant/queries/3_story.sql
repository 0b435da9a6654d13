-- the story of the booking that was tried most often
SELECT created_at::time(3), event_type, coalesce(context->>'result', context->>'reason') AS what
FROM observability_events WHERE booking_id = (
  SELECT booking_id FROM observability_events WHERE event_type = 'auto_assign.attempt'
  GROUP BY 1 ORDER BY count(*) DESC LIMIT 1) ORDER BY created_at;
