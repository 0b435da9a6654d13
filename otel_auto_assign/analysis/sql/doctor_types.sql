-- Which event types are in the window, and how many rows of each were there in the time before it?
--
-- earlier  rows of as many times the window's length before it as the parameter `times` says, where `earlier` begins
SELECT
    event_type, count(*) FILTER (WHERE created_at >= %(first)s) AS rows,
    count(*) FILTER (WHERE created_at < %(first)s) AS earlier
FROM {table} AS event
WHERE event_type = ANY (%(events)s) AND {rows}
GROUP BY event_type
