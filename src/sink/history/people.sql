-- Estimates of people: of each sensor one for each five minutes. Kept as long as sums of hours, and not with the windows they came in.
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    sensor TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    low INTEGER,
    estimate INTEGER,
    high INTEGER,
    reason TEXT,
    listened_ms INTEGER,
    run TEXT NOT NULL,
    stored_ns INTEGER NOT NULL,
    UNIQUE (site, sensor, start_ns)
);
