-- The embedded history. Times are nanoseconds of UTC since 1970. An address is a number (the 48 bits of a MAC) or a
-- text (a pseudonym); the views write both as text.

CREATE TABLE windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    site TEXT NOT NULL,
    sensor TEXT NOT NULL,
    run TEXT NOT NULL,
    seq INTEGER NOT NULL,
    part INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    clock TEXT NOT NULL,
    final INTEGER NOT NULL,
    stored_ns INTEGER NOT NULL,
    -- Window-wide counts: in part 0 only, so that sums are exact.
    frames INTEGER,
    bytes INTEGER,
    station_frames INTEGER,
    bad_fcs INTEGER,
    malformed INTEGER,
    without_ta INTEGER,
    group_ta INTEGER,
    overflow_frames INTEGER,
    late INTEGER,
    kernel_drops INTEGER,
    interface_drops INTEGER,
    mended_times INTEGER,
    switching_ms INTEGER,
    off_ms INTEGER,
    -- Sums over the part's other rows, so that whoever wants no more need not read those; NULL in windows of version 1.
    all_listened_ms INTEGER,
    access_points INTEGER,
    known_vendors INTEGER,
    randomised_others INTEGER,
    unknown_others INTEGER,
    UNIQUE (site, sensor, run, seq, part)
);
CREATE INDEX windows_by_time ON windows (start_ns);

CREATE TABLE stations (
    window INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    address NOT NULL,
    vendor TEXT,
    randomised INTEGER NOT NULL,
    tracked INTEGER NOT NULL,
    role TEXT NOT NULL,
    frames_sent INTEGER NOT NULL,
    bytes_sent INTEGER NOT NULL,
    frames_received INTEGER NOT NULL,
    management INTEGER NOT NULL,
    control INTEGER NOT NULL,
    data INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    signal_min INTEGER,
    signal_mean REAL,
    signal_max INTEGER,
    signal_frames INTEGER,
    freqs_mhz TEXT,   -- a JSON array
    bssid,
    ssids TEXT,       -- a JSON array
    first_seen_ns INTEGER NOT NULL,
    last_seen_ns INTEGER NOT NULL,
    security TEXT,
    channel INTEGER,
    width_mhz INTEGER,
    PRIMARY KEY (window, n)
) WITHOUT ROWID;

CREATE TABLE vendors (
    window INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    vendor TEXT,
    randomised INTEGER NOT NULL,
    stations INTEGER NOT NULL,
    frames_sent INTEGER NOT NULL,
    bytes_sent INTEGER NOT NULL,
    management INTEGER NOT NULL,
    control INTEGER NOT NULL,
    data INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    PRIMARY KEY (window, n)
) WITHOUT ROWID;

CREATE TABLE channels (
    window INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    freq_mhz INTEGER NOT NULL,
    listened_ms INTEGER,
    frames INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (window, n)
) WITHOUT ROWID;

CREATE TABLE subtypes (
    window INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
    subtype TEXT NOT NULL,
    frames INTEGER NOT NULL,
    PRIMARY KEY (window, subtype)
) WITHOUT ROWID;

CREATE TABLE gaps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    site TEXT NOT NULL,
    sensor TEXT NOT NULL,
    run TEXT NOT NULL,
    reason TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    frames INTEGER,
    stored_ns INTEGER NOT NULL,
    UNIQUE (site, sensor, run, reason, first_seq)
);

CREATE VIEW station_rows AS
SELECT site, sensor, run, seq, part, start_ns, end_ns,
    CASE typeof(address) WHEN 'integer' THEN printf('%02x:%02x:%02x:%02x:%02x:%02x',
        address >> 40 & 255, address >> 32 & 255, address >> 24 & 255,
        address >> 16 & 255, address >> 8 & 255, address & 255) ELSE address END AS station,
    vendor, randomised, tracked, role, frames_sent, bytes_sent, frames_received, management, control, data, retries,
    signal_min, signal_mean, signal_max, signal_frames, freqs_mhz,
    CASE typeof(bssid) WHEN 'integer' THEN printf('%02x:%02x:%02x:%02x:%02x:%02x',
        bssid >> 40 & 255, bssid >> 32 & 255, bssid >> 24 & 255,
        bssid >> 16 & 255, bssid >> 8 & 255, bssid & 255) ELSE bssid END AS bssid,
    ssids, first_seen_ns, last_seen_ns
FROM stations JOIN windows ON windows.id = stations.window;

-- total(), not sum(): whatever a hostile batch claims, nothing overflows.
CREATE VIEW station_totals AS
SELECT site, sensor, station, max(vendor) AS vendor, max(randomised) AS randomised, count(*) AS rows,
        CAST(total(frames_sent) AS INTEGER) AS frames_sent, CAST(total(bytes_sent) AS INTEGER) AS bytes_sent,
    CAST(total(frames_received) AS INTEGER) AS frames_received,
        CAST(total(management) AS INTEGER) AS management, CAST(total(control) AS INTEGER) AS control, CAST(total(data)
    AS INTEGER) AS data, CAST(total(retries) AS INTEGER) AS retries,
    min(signal_min) AS signal_min, max(signal_max) AS signal_max,
    min(first_seen_ns) AS first_seen_ns, max(last_seen_ns) AS last_seen_ns
FROM station_rows GROUP BY site, sensor, station;

CREATE VIEW vendor_totals AS
SELECT site, sensor, vendor, randomised, CAST(total(frames_sent) AS INTEGER) AS frames_sent, CAST(total(bytes_sent) AS
    INTEGER) AS bytes_sent FROM (
    SELECT site, sensor, vendor, randomised, frames_sent, bytes_sent
    FROM stations JOIN windows ON windows.id = stations.window
    UNION ALL
    SELECT site, sensor, vendor, randomised, frames_sent, bytes_sent
    FROM vendors JOIN windows ON windows.id = vendors.window
) GROUP BY site, sensor, vendor, randomised;

CREATE VIEW channel_totals AS
SELECT site, sensor, freq_mhz, CASE WHEN count(listened_ms) THEN CAST(total(listened_ms) AS INTEGER) END AS
    listened_ms, CAST(total(channels.frames) AS INTEGER) AS frames,
    CAST(total(channels.bytes) AS INTEGER) AS bytes
FROM channels JOIN windows ON windows.id = channels.window GROUP BY site, sensor, freq_mhz;

CREATE VIEW sensor_totals AS
SELECT site, sensor, count(DISTINCT run) AS runs, count(frames) AS windows, CAST(total(frames) AS INTEGER) AS frames,
        CAST(total(bytes) AS INTEGER) AS bytes, CAST(total(station_frames) AS INTEGER) AS station_frames,
    CAST(total(bad_fcs) AS INTEGER) AS bad_fcs,
        CAST(total(malformed) AS INTEGER) AS malformed, CAST(total(without_ta) AS INTEGER) AS without_ta,
    CAST(total(group_ta) AS INTEGER) AS group_ta,
    CAST(total(overflow_frames) AS INTEGER) AS overflow_frames, CAST(total(kernel_drops) AS INTEGER) AS kernel_drops,
    min(start_ns) AS start_ns, max(end_ns) AS end_ns
FROM windows GROUP BY site, sensor;
