-- a hard stop has a hard reason, ends its job, and no attempt follows it
-- (contract §2 and §3). A violation: a job, the reason, the job's result, and the attempts that followed.
SELECT
    stop.context ->> 'job_id' AS job,
    stop.context ->> 'reasonCode' AS reason,
    max(other.context ->> 'result') AS result,
    count(*) FILTER (
        WHERE other.event_type IN ('auto_assign.attempt', 'auto_assign.attempt_error')
        AND (other.context ->> 'attempt_index')::integer > (stop.context ->> 'attempt_index')::integer
    ) AS followed
FROM observability_events AS stop
JOIN observability_events AS other ON other.context ->> 'job_id' = stop.context ->> 'job_id'
WHERE stop.event_type = 'auto_assign.hard_stop'
GROUP BY stop.id
HAVING
    stop.context ->> 'reasonCode' NOT LIKE 'hard.%'
    OR max(other.context ->> 'result') IS DISTINCT FROM 'exhausted'
    OR count(*) FILTER (
        WHERE other.event_type IN ('auto_assign.attempt', 'auto_assign.attempt_error')
        AND (other.context ->> 'attempt_index')::integer > (stop.context ->> 'attempt_index')::integer
    ) > 0
