-- The restaurant's database, and the host's table that the rows of this product go to.
-- Created in the first schema of the search path. Times are the restaurant's own (see clock.py), in UTC.

CREATE TABLE restaurants (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    covers integer NOT NULL DEFAULT 0 CHECK (covers >= 0) -- guests seated by confirmed bookings
);

CREATE TABLE zones (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    restaurant_id uuid NOT NULL REFERENCES restaurants (id),
    name text NOT NULL,
    UNIQUE (restaurant_id, name)
);

CREATE TABLE tables (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    restaurant_id uuid NOT NULL REFERENCES restaurants (id),
    zone_id integer NOT NULL REFERENCES zones (id),
    label text NOT NULL,
    capacity integer NOT NULL CHECK (capacity > 0),
    movable boolean NOT NULL, -- only movable tables can be put together
    UNIQUE (restaurant_id, label)
);

CREATE TABLE adjacency (
    a integer NOT NULL REFERENCES tables (id),
    b integer NOT NULL REFERENCES tables (id),
    PRIMARY KEY (a, b),
    CHECK (a < b)
);

CREATE TABLE bookings (
    id uuid PRIMARY KEY,
    restaurant_id uuid NOT NULL REFERENCES restaurants (id),
    party integer NOT NULL CHECK (party > 0),
    starts_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'confirmed', 'cancelled')),
    hint_attempt_id text, -- what the request's own attempt left for the background job
    hint_reason text,
    hint_hard boolean,
    CHECK ((hint_attempt_id IS NULL) = (hint_reason IS NULL AND hint_hard IS NULL))
);

CREATE TABLE holds (
    id uuid PRIMARY KEY,
    booking_id uuid NOT NULL REFERENCES bookings (id),
    restaurant_id uuid NOT NULL REFERENCES restaurants (id),
    expires_at timestamptz NOT NULL
);

-- No table is promised twice at a time: concurrent planners truly conflict (SQLSTATE 23P01). A one-number range makes
-- `=` on the table expressible with the operators every PostgreSQL has; with btree_gist, `table_id WITH =` would do.
CREATE TABLE held_tables (
    hold_id uuid NOT NULL REFERENCES holds (id) ON DELETE CASCADE,
    table_id integer NOT NULL REFERENCES tables (id),
    during tstzrange NOT NULL,
    PRIMARY KEY (hold_id, table_id),
    CONSTRAINT no_overlapping_holds EXCLUDE USING gist (int4range(table_id, table_id, '[]') WITH &&, during WITH &&)
);

CREATE TABLE assignments (
    booking_id uuid NOT NULL REFERENCES bookings (id),
    table_id integer NOT NULL REFERENCES tables (id),
    during tstzrange NOT NULL,
    PRIMARY KEY (booking_id, table_id),
    CONSTRAINT no_overlapping_table_assignments
    EXCLUDE USING gist (int4range(table_id, table_id, '[]') WITH &&, during WITH &&)
);

CREATE TABLE confirmations (
    hold_id uuid PRIMARY KEY,
    booking_id uuid NOT NULL REFERENCES bookings (id),
    idempotency_key text NOT NULL,
    CONSTRAINT booking_assignment_idempotency_booking_key UNIQUE (booking_id)
);

CREATE INDEX ON tables (restaurant_id);
CREATE INDEX ON bookings (restaurant_id, starts_at);
CREATE INDEX ON holds (restaurant_id, expires_at);

-- The host application's table stands already, as in production; the product never creates or alters it.
ALTER TABLE observability_events
    ADD FOREIGN KEY (restaurant_id) REFERENCES restaurants (id) ON DELETE SET NULL,
    ADD FOREIGN KEY (booking_id) REFERENCES bookings (id) ON DELETE SET NULL;
ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY;
