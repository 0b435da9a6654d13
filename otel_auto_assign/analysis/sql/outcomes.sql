-- What did attempts, jobs and inline runs come to, and how often?
--
-- job_attempts_*        auto_assign.attempt rows per booking, over the bookings that have one in the window; attempts
--                       that ended by an exception (auto_assign.attempt_error) do not count, as they never did. A booking
--                       is booking_id, else context.booking_ref: the value of a dangling id, or all there is where the
--                       deployment has no such column. A row with neither belongs to no booking.
-- reason_share_pct      dimension = the reason code: its share of all auto_assign.attempt rows, success among them; a row
--                       without a code counts as unknown. No attempts, no codes, no figures.
-- job_*_count           rows of the event type. The sample is the jobs that started in the window (at least those counted:
--                       a job may have started before it), so that none out of many is a 0, none out of nothing empty.
-- job_*_rate_pct        all: succeeded and failed rows over started rows, today's definition. outcome=decided: over the
--                       summaries of jobs that came to a decision (not skipped, not cancelled). exhausted, cutoff, error
--                       and abandoned are failures; already_confirmed is neither: somebody else was faster.
-- inline_success_*      all: hasHold among quote_result rows, late ones included, today's definition, by which every quote
--                       can have succeeded although every run has timed out; late=excluded: among those that came before
--                       their run had ended; outcome=decided: succeeded among the terminals that are not late, one a run
-- inline_timeout_pct    timeout among timeout and succeeded events
-- inline_*_event_count  The sample is every run that ended (terminals that are not late).
--
-- Beside the figures, `rows` and `unreadable` by event type: all rows of the type (other tools' in one; quotes are counted
-- in durations.sql), and those whose result, reason code, hasHold or late cannot be read.
WITH found AS (
    SELECT
        CASE WHEN event_type = ANY (%(events)s) THEN event_type ELSE 'other tools' END AS event_type,
        CASE event_type
            WHEN 'auto_assign.attempt' THEN context ->> 'reasonCode'
            WHEN 'auto_assign.summary' THEN context ->> 'result'
            WHEN 'inline_auto_assign.quote_result' THEN nullif(context -> 'hasHold', 'null')::text
        END AS said,
        CASE WHEN event_type LIKE 'inline%%' THEN nullif(context -> 'late', 'null')::text END AS late,
        CASE event_type WHEN 'auto_assign.attempt' THEN {booking} END AS booking
        {columns}
    FROM {table} AS event
    WHERE event_type <> 'auto_assign.quote' AND {rows}
    OFFSET 0  -- a fence: the server then groups by hashing, which for so many bookings is much faster than sorting
),
tally AS MATERIALIZED (
    SELECT event_type, said, coalesce(late = 'true', false) AS late, late AS late_said, booking, {split} AS split, count(*)::integer AS n
    FROM found
    GROUP BY event_type, said, found.late, booking, {grouping}
    UNION ALL
    SELECT '', NULL, false, NULL, NULL, '', 0  -- so that a window without rows has its figures, empty
),
booking AS MATERIALIZED (  -- by hashing: sorting by so many texts would take longer
    SELECT split, booking AS id, sum(n) AS attempts
    FROM tally
    WHERE event_type IN ('auto_assign.attempt', '')
    GROUP BY split, booking
),
attempts AS (
    SELECT
        split,
        count(*) FILTER (WHERE id IS NOT NULL) AS bookings,
        avg(attempts) FILTER (WHERE id IS NOT NULL) AS mean,
        max(attempts) FILTER (WHERE id IS NOT NULL) AS most,
        percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY attempts) FILTER (WHERE id IS NOT NULL) AS p
    FROM booking
    GROUP BY split
),
reason AS (
    SELECT split, coalesce(said, 'unknown') AS code, sum(n) AS n
    FROM tally
    WHERE event_type = 'auto_assign.attempt'
    GROUP BY split, coalesce(said, 'unknown')
),
kind AS (  -- few rows from here on
    SELECT split, event_type, said, late, late_said, sum(n) AS n
    FROM tally
    GROUP BY split, event_type, said, late, late_said
),
counts AS (
    SELECT
        split,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.started'), 0)::bigint AS started,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.succeeded'), 0)::bigint AS succeeded,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.failed'), 0)::bigint AS failed,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.hard_stop'), 0)::bigint AS stopped,
        coalesce(sum(n) FILTER (WHERE event_type = 'auto_assign.summary' AND said = 'succeeded'), 0)::bigint AS won,
        coalesce(sum(n) FILTER (
            WHERE event_type = 'auto_assign.summary' AND said IN ('exhausted', 'cutoff', 'error', 'abandoned')
        ), 0)::bigint AS lost,
        coalesce(sum(n) FILTER (
            WHERE event_type = 'auto_assign.summary' AND said = 'already_confirmed'
        ), 0)::bigint AS outrun,
        coalesce(sum(n) FILTER (WHERE result), 0)::bigint AS results,
        coalesce(sum(n) FILTER (WHERE result AND said = 'true'), 0)::bigint AS holds,
        coalesce(sum(n) FILTER (WHERE result AND NOT late), 0)::bigint AS timely,
        coalesce(sum(n) FILTER (WHERE result AND NOT late AND said = 'true'), 0)::bigint AS timely_holds,
        coalesce(sum(n) FILTER (WHERE NOT late AND event_type = ANY (%(terminals)s)), 0)::bigint AS ended,
        coalesce(sum(n) FILTER (WHERE NOT late AND event_type = 'inline_auto_assign.succeeded'), 0)::bigint AS seated,
        coalesce(sum(n) FILTER (WHERE NOT late AND event_type = 'inline_auto_assign.timeout'), 0)::bigint AS timed_out
    FROM kind
    CROSS JOIN LATERAL (SELECT event_type = 'inline_auto_assign.quote_result' AS result) AS is_a
    GROUP BY split
)
SELECT metric, 'all' AS dimension, round(value::numeric, 2) AS value, unit, n AS sample_size, source, split
FROM attempts
CROSS JOIN LATERAL (SELECT bookings AS n) AS sample
CROSS JOIN LATERAL (
    VALUES
        ('job_attempts_avg', mean::double precision, 'attempts', 'auto_assign.attempt'),
        ('job_attempts_p50', p[1], 'attempts', 'auto_assign.attempt'),
        ('job_attempts_p90', p[2], 'attempts', 'auto_assign.attempt'),
        ('job_attempts_p95', p[3], 'attempts', 'auto_assign.attempt'),
        ('job_attempts_max', most::double precision, 'attempts', 'auto_assign.attempt')
) AS shown (metric, value, unit, source)
UNION ALL
SELECT
    'job_attempts_sample_size', 'bookings', round(nullif(bookings, 0)::numeric, 2), 'count', bookings, 'auto_assign.attempt', split
FROM attempts
UNION ALL
SELECT
    'reason_share_pct', code, round(100.0 * n / sum(n) OVER (PARTITION BY split), 2), 'pct',
    (sum(n) OVER (PARTITION BY split))::bigint, 'auto_assign.attempt', split
FROM reason
UNION ALL
SELECT
    metric, 'all', CASE WHEN greatest(n, of_all) > 0 THEN n::numeric END, 'count', greatest(n, of_all), source, split
FROM counts
CROSS JOIN LATERAL (
    VALUES
        ('job_started_count', started, started, 'auto_assign.started'),
        ('job_succeeded_count', succeeded, started, 'auto_assign.succeeded'),
        ('job_failed_count', failed, started, 'auto_assign.failed'),
        ('job_hard_stop_count', stopped, started, 'auto_assign.hard_stop'),
        ('inline_success_event_count', seated, ended, 'inline_auto_assign.succeeded'),
        ('inline_timeout_event_count', timed_out, ended, 'inline_auto_assign.timeout')
) AS shown (metric, n, of_all, source)
UNION ALL
SELECT metric, dimension, round(100.0 * n / nullif(of_all, 0), 2), 'pct', of_all, source, split
FROM counts
CROSS JOIN LATERAL (
    VALUES
        ('job_success_rate_pct', 'all', succeeded, started, 'auto_assign.succeeded/auto_assign.started'),
        ('job_failure_rate_pct', 'all', failed, started, 'auto_assign.failed/auto_assign.started'),
        ('job_success_rate_pct', 'outcome=decided', won, won + lost + outrun, 'auto_assign.summary'),
        ('job_failure_rate_pct', 'outcome=decided', lost, won + lost + outrun, 'auto_assign.summary'),
        ('inline_success_rate_pct', 'all', holds, results, 'inline_auto_assign.quote_result'),
        ('inline_success_rate_pct', 'late=excluded', timely_holds, timely, 'inline_auto_assign.quote_result'),
        ('inline_success_rate_pct', 'outcome=decided', seated, ended, 'inline_auto_assign.succeeded/inline terminals'),
        (
            'inline_timeout_pct', 'all', timed_out, timed_out + seated,
            'inline_auto_assign.timeout/inline_auto_assign.timeout+inline_auto_assign.succeeded'
        )
) AS shown (metric, dimension, n, of_all, source)
UNION ALL
SELECT metric, 'all', sum(kind.n), 'count', sum(kind.n)::bigint, event_type, split
FROM kind
CROSS JOIN LATERAL (
    VALUES
        ('rows', true),
        (
            'unreadable',
            coalesce(late_said NOT IN ('true', 'false'), false)
            OR CASE event_type
                WHEN 'auto_assign.attempt' THEN said IS NULL
                WHEN 'auto_assign.summary' THEN coalesce(said, '') <> ALL (%(results)s)
                WHEN 'inline_auto_assign.quote_result' THEN coalesce(said, '') NOT IN ('true', 'false')
                ELSE false
            END
        )
) AS counted (metric, counts)
WHERE counts AND event_type <> '' AND split = ''
GROUP BY metric, event_type, split
