-- How many e-mails were sent again for a booking that had one?
--
-- all  rows of the application's own e-mail event type (setting email_event_type) beyond the first of their booking;
--      empty while no type is named, or where no such row is in the window. Rows without a booking are in the sample
--      and duplicate nothing.
WITH email AS (
    SELECT coalesce(to_jsonb(event) ->> 'booking_id', context ->> 'booking_ref') AS booking
    FROM {table} AS event
    WHERE
        event_type = nullif(%(email_event_type)s::text, '') AND created_at >= %(start)s AND created_at < %(end)s
)
SELECT
    'inline_email_duplicates' AS metric,
    'all' AS dimension,
    CASE WHEN count(*) > 0 THEN (count(booking) - count(DISTINCT booking))::numeric END AS value,
    'count' AS unit,
    count(*) AS sample_size,
    %(email_event_type)s::text AS source
FROM email
