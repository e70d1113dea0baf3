-- Alerts: the newest state of each, as its sensor told it. Kept as long as sums of hours, and not with the windows they came in.
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    sensor TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    class TEXT NOT NULL,
    severity TEXT NOT NULL,
    end_ns INTEGER,
    frames INTEGER NOT NULL,
    listened_ms INTEGER,
    not_watched_ms INTEGER NOT NULL,
    evidence TEXT NOT NULL,
    run TEXT NOT NULL,
    told_ns INTEGER NOT NULL,
    stored_ns INTEGER NOT NULL,
    UNIQUE (site, sensor, kind, subject, start_ns)
);
