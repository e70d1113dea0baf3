-- From version 1: one tier, and no more of a station than it took to count it.
ALTER TABLE windows ADD COLUMN mended_times INTEGER;
ALTER TABLE windows ADD COLUMN switching_ms INTEGER;
ALTER TABLE windows ADD COLUMN off_ms INTEGER;
ALTER TABLE windows ADD COLUMN all_listened_ms INTEGER;
ALTER TABLE windows ADD COLUMN access_points INTEGER;
ALTER TABLE windows ADD COLUMN known_vendors INTEGER;
ALTER TABLE windows ADD COLUMN randomised_others INTEGER;
ALTER TABLE windows ADD COLUMN unknown_others INTEGER;
ALTER TABLE stations ADD COLUMN security TEXT;
ALTER TABLE stations ADD COLUMN channel INTEGER;
ALTER TABLE stations ADD COLUMN width_mhz INTEGER;
-- Every window rewrote a page of it for each of its stations.
DROP INDEX stations_by_address;
