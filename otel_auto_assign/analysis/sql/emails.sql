-- How many e-mails were sent again for a booking that had one?
--
-- all  rows of the application's own e-mail event type (setting email_event_type) beyond the first of their booking;
--      empty while no type is named, or where no such row is in the window. Rows without a booking are in the sample
--      and duplicate nothing.
WITH email AS (
    SELECT {booking} AS booking {columns}
    FROM {table} AS event
    WHERE event_type = nullif(%(email_event_type)s::text, '') AND {rows}
),
figure AS (
    SELECT {split} AS split, count(*) AS n, count(booking) - count(DISTINCT booking) AS again
    FROM email
    GROUP BY {grouping}
)
SELECT
    'inline_email_duplicates' AS metric,
    'all' AS dimension,
    CASE WHEN n > 0 THEN again::numeric END AS value,
    'count' AS unit,
    n AS sample_size,
    %(email_event_type)s::text AS source,
    split
FROM figure
