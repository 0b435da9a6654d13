-- The parents of the host's table, examples/observability_events.sql, and the bookings that the rows are of.
CREATE TABLE restaurants (id uuid PRIMARY KEY);
CREATE TABLE bookings (id uuid PRIMARY KEY);
ALTER TABLE observability_events
    ADD FOREIGN KEY (restaurant_id) REFERENCES restaurants (id) ON DELETE SET NULL,
    ADD FOREIGN KEY (booking_id) REFERENCES bookings (id) ON DELETE SET NULL;
INSERT INTO restaurants VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO bookings SELECT ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid FROM generate_series(0, 999) AS n;
