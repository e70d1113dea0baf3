-- Distinct stations: the sketches of a sensor's windows, merged by the minute (60) and by the hour (3600). Merging is the same
-- however often, so these rows are made as windows come. Sketches of different keys cannot be merged: each has its row.
CREATE TABLE sketches (
    id INTEGER PRIMARY KEY,
    seconds INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    site TEXT NOT NULL,
    sensor TEXT NOT NULL,
    key TEXT NOT NULL,
    sketch BLOB NOT NULL,
    stored_ns INTEGER NOT NULL,
    UNIQUE (seconds, start_ns, site, sensor, key)
);
CREATE INDEX sketches_by_age ON sketches (seconds, stored_ns);
