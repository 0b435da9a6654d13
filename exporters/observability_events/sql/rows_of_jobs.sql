-- What do the rows of these jobs say? Job by job, the row of its start first, then by time in Unix microseconds.
--
-- trace_ids, job_ids   the jobs, as two arrays.
-- first_us, last_us    none of their rows was before or after, when they were looked for.
SELECT
    {context}->>'trace_id' AS trace_id,
    {context}->>'job_id' AS job_id,
    id::text,
    (extract(epoch FROM {created_at}) * 1000000)::bigint AS time_us,
    event_type,
    {context} - 'planner_internal' AS context, -- by far the largest part, and of no interest here
    {restaurant_id}::text,
    {booking_id}::text
FROM {table}
WHERE
    source = 'auto_assign' AND event_type LIKE 'auto\_assign.%%'
    AND {created_at} >= timestamptz 'epoch' + %(first_us)s::bigint * interval '1 microsecond'
    AND {created_at} <= timestamptz 'epoch' + %(last_us)s::bigint * interval '1 microsecond'
    AND ({context}->>'trace_id', {context}->>'job_id')
        IN (SELECT * FROM unnest(%(trace_ids)s::text[], %(job_ids)s::text[]))
ORDER BY 1, 2, event_type <> 'auto_assign.started', time_us, id
