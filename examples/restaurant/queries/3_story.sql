-- The story of the booking that was tried most often
SELECT to_char(created_at, 'HH24:MI:SS.MS') AS at, event_type, coalesce(context->>'result', context->>'reason') AS what
FROM observability_events WHERE booking_id = (SELECT booking_id FROM observability_events
  WHERE event_type = 'auto_assign.attempt' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1) ORDER BY created_at;
