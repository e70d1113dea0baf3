-- Flows: who spoke with whom, as sensors told it. Kept as long as the windows that they came in.
CREATE TABLE flows (
    window INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    proto TEXT NOT NULL,
    src TEXT NOT NULL,
    src_port INTEGER NOT NULL,
    dst TEXT NOT NULL,
    dst_port INTEGER NOT NULL,
    packets_out INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    packets_in INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    first_ns INTEGER,
    last_ns INTEGER,
    tcp_flags_out TEXT NOT NULL,
    tcp_flags_in TEXT NOT NULL,
    layer7 TEXT,
    layer7_info TEXT,
    part INTEGER NOT NULL,
    end TEXT NOT NULL,
    PRIMARY KEY (window, n)
) WITHOUT ROWID;

-- All records of a window, also those that were left out, summed.
CREATE TABLE flow_sums (
    window INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
    proto TEXT NOT NULL,
    ports TEXT NOT NULL,
    records INTEGER NOT NULL,
    packets_out INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    packets_in INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    PRIMARY KEY (window, proto, ports)
) WITHOUT ROWID;

-- What became of a window's packets.
CREATE TABLE flow_windows (
    window INTEGER PRIMARY KEY REFERENCES windows (id) ON DELETE CASCADE,
    captured_packets INTEGER NOT NULL,
    captured_bytes INTEGER NOT NULL,
    aggregated INTEGER NOT NULL,
    in_flow_packets INTEGER NOT NULL,
    in_flow_bytes INTEGER NOT NULL,
    not_ip_packets INTEGER NOT NULL,
    protected_packets INTEGER NOT NULL,
    bad_fcs_packets INTEGER NOT NULL,
    malformed_packets INTEGER NOT NULL,
    cut_packets INTEGER NOT NULL,
    fragment_packets INTEGER NOT NULL,
    evicted INTEGER NOT NULL,
    going_on INTEGER NOT NULL,
    left_out INTEGER NOT NULL
);
