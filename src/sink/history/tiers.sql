-- The coarser tiers: sums of a sensor over a minute and over an hour. `id` is the number of the minute (hour) since 1970,
-- times 2^24, plus the sensor's number. What was counted in windows, minutes and hours is the same: each tier has all that is
-- kept of it, and not what another tier lacks.
CREATE TABLE sensors (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    sensor TEXT NOT NULL,
    UNIQUE (site, sensor)
);

CREATE TABLE minutes (
    id INTEGER PRIMARY KEY,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,     -- of the last window
    stored_ns INTEGER NOT NULL,  -- when something was last added
    windows INTEGER NOT NULL,
    covered_ms INTEGER NOT NULL,
    listened_ms INTEGER,
    switching_ms INTEGER,
    off_ms INTEGER,
    frames INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    station_frames INTEGER NOT NULL,
    bad_fcs INTEGER NOT NULL,
    malformed INTEGER NOT NULL,
    without_ta INTEGER NOT NULL,
    group_ta INTEGER NOT NULL,
    overflow_frames INTEGER NOT NULL,
    late INTEGER NOT NULL,
    kernel_drops INTEGER,
    interface_drops INTEGER,
    most_access_points INTEGER NOT NULL,  -- in one window
    most_known_vendor INTEGER NOT NULL,
    most_randomised INTEGER NOT NULL,
    most_other INTEGER NOT NULL,
    sum_access_points INTEGER NOT NULL,   -- over all windows
    sum_known_vendor INTEGER NOT NULL,
    sum_randomised INTEGER NOT NULL,
    sum_other INTEGER NOT NULL
);
CREATE INDEX minutes_by_age ON minutes (stored_ns);
-- Stations, channels, vendors and subtypes: packed, see detail.rs.
CREATE TABLE minute_details (
    id INTEGER PRIMARY KEY,
    detail BLOB NOT NULL
);

CREATE TABLE hours (
    id INTEGER PRIMARY KEY,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,     -- of the last window
    stored_ns INTEGER NOT NULL,  -- when something was last added
    -- Of what it sums up, minutes and windows are no longer all there.
    minutes_gone INTEGER NOT NULL,
    windows_gone INTEGER NOT NULL,
    windows INTEGER NOT NULL,
    covered_ms INTEGER NOT NULL,
    listened_ms INTEGER,
    switching_ms INTEGER,
    off_ms INTEGER,
    frames INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    station_frames INTEGER NOT NULL,
    bad_fcs INTEGER NOT NULL,
    malformed INTEGER NOT NULL,
    without_ta INTEGER NOT NULL,
    group_ta INTEGER NOT NULL,
    overflow_frames INTEGER NOT NULL,
    late INTEGER NOT NULL,
    kernel_drops INTEGER,
    interface_drops INTEGER,
    most_access_points INTEGER NOT NULL,  -- in one window
    most_known_vendor INTEGER NOT NULL,
    most_randomised INTEGER NOT NULL,
    most_other INTEGER NOT NULL,
    sum_access_points INTEGER NOT NULL,   -- over all windows
    sum_known_vendor INTEGER NOT NULL,
    sum_randomised INTEGER NOT NULL,
    sum_other INTEGER NOT NULL
);
CREATE INDEX hours_by_age ON hours (stored_ns);
-- Stations, channels, vendors and subtypes: packed, see detail.rs.
CREATE TABLE hour_details (
    id INTEGER PRIMARY KEY,
    detail BLOB NOT NULL
);

-- Parts of windows that are in the sums: storing them again changes nothing.
CREATE TABLE summed (
    run TEXT NOT NULL,
    part INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    stored_ns INTEGER NOT NULL,
    PRIMARY KEY (run, part, first)
) WITHOUT ROWID;
CREATE INDEX summed_by_age ON summed (stored_ns);

-- `rolled`: windows up to this id are in the sums. `minutes`, `hours`: octets of these tiers, about. `retention`: seconds that
-- windows are kept where the configuration does not say.
CREATE TABLE progress (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
