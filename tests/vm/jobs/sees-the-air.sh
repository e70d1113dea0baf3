# limit: 600
# An access point and a station talk; a sensor on a monitor set up by hand counts what a tcpdump on another one hears.
# shellcheck shell=bash

radios 5
ap=$(mac_of wlan0) client=$(mac_of wlan1)
monitor wlan2 6
monitor wlan3 6
monitor wlan4 6

# Nobody is on the air yet: both listen to the same frames from the first to the last.
broker
ingest
sensor wlan2
witness wlan3

access_point wlan0 vm-net 6
station client wlan1 vm-net
equal "pings answered" 20 "$(ip netns exec client ping -c 20 -i 0.1 192.168.77.1 | sed -n 's/.*, \([0-9]*\) received.*/\1/p')"
# Faster than the air of a block of flats.
sent=$(inject wlan4 2000 400 02:00:5e:00:00:01 02:00:5e:00:00:02)
note "$sent"
stop_station client
stop_access_point wlan0
sleep 2
end_witness wlan3
least "frames heard by tcpdump" 2000 "$(heard wlan3)"

wait_for 30 all_stored wlan3 || true
equal "frames" "$(heard wlan3)" "$(stored 'SELECT sum(frames) FROM windows')"
for mac in "$ap" "$client" 02:00:5e:00:00:01 02:00:5e:00:00:02; do
    equal "frames of $mac" "$(heard wlan3 "wlan addr2 $mac")" \
        "$(stored "SELECT frames_sent FROM station_totals WHERE station = '$mac'")"
done
equal "stations" 4 "$(stored 'SELECT count(*) FROM station_totals')"
least "data frames of the station" 20 "$(stored "SELECT data FROM station_totals WHERE station = '$client'")"
equal "the access point's role" access_point "$(stored "SELECT role FROM station_rows WHERE station = '$ap' ORDER BY seq LIMIT 1")"
equal "frames dropped by the kernel" 0 "$(stored 'SELECT sum(kernel_drops) FROM windows')"
equal "classes add up" 0 "$(stored 'SELECT sum(frames - station_frames - bad_fcs - malformed - without_ta - group_ta - overflow_frames) FROM windows')"

stop "$sensor_pid"
stop "$ingest_pid"
holds "the sensor ended by itself" grep -q 'stopping: the open window is closed and kept' sensor.log
