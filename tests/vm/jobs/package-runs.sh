# limit: 900
# apt installs the package; sensor and ingest run as their users with no more rights than they need, through a broker
# with the package's own rules; what the sensor has counted survives its restart while the broker is away; purging
# leaves nothing.
# shellcheck shell=bash

# Jobs before this one in the same machine have lines of these units too.
begun=@$(date +%s)
radios 4
monitor wlan2 6
monitor wlan3 6
monitor wlan1 6
find / -xdev -name '*airtally*' -not -path '/proc/*' | sort >before

install_package
holds "installed" dpkg-query -W airtally
for unit in airtally-sensor airtally-ingest airtally-oui-update.timer; do
    equal "$unit" "disabled inactive" "$(systemctl is-enabled $unit || true) $(systemctl is-active $unit || true)"
done
equal "the sensor's configuration" "640 root:airtally" "$(stat -c '%a %U:%G' /etc/airtally/sensor.toml)"
equal "the secrets' folder" "700 root:root" "$(stat -c '%a %U:%G' /etc/airtally/sensor.secrets)"
holds "the manual" test -s /usr/share/man/man1/airtally-sensor.1.gz

system_broker
configure_by_hand wlan2
history=/var/lib/airtally-ingest/history.sqlite
witness wlan3
systemctl enable --now airtally-ingest airtally-sensor
# Type=notify: start has waited for READY.
equal "sensor" active "$(systemctl is-active airtally-sensor)"
equal "ingest" active "$(systemctl is-active airtally-ingest)"
note "$(systemctl status airtally-sensor | sed -n 's/^ *Status: //p')"

sensor=$(main_pid airtally-sensor) ingest=$(main_pid airtally-ingest)
note "resident: sensor $(ps -o rss= -p "$sensor" | xargs) KiB, ingest $(ps -o rss= -p "$ingest" | xargs) KiB"
equal "the sensor's user" airtally "$(ps -o user:20= -p "$sensor" | xargs)"
equal "ingest's user" airtally-ingest "$(ps -o user:20= -p "$ingest" | xargs)"
# CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13.
for set in CapEff CapPrm CapBnd; do
    equal "the sensor's $set" 0000000000003000 "$(capabilities "$sensor" $set)"
    equal "ingest's $set" 0000000000000000 "$(capabilities "$ingest" $set)"
done
equal "no new privileges, system calls filtered" "1 2" \
    "$(capabilities "$sensor" NoNewPrivs) $(capabilities "$sensor" Seccomp)"
exposure() { systemd-analyze security "$1" --no-pager | sed -n 's/^.*Overall exposure level for [^:]*: \([0-9.]*\) .*/\1/p'; }
note "exposure: sensor $(exposure airtally-sensor.service), instance $(exposure airtally-sensor@x.service), ingest $(exposure airtally-ingest.service), oui-update $(exposure airtally-oui-update.service)"
most "the sensor's exposure, in tenths" 20 "$(exposure airtally-sensor.service | tr -d .)"
most "an instance's exposure, in tenths" 20 "$(exposure airtally-sensor@x.service | tr -d .)"
most "ingest's exposure, in tenths" 15 "$(exposure airtally-ingest.service | tr -d .)"

note "$(inject wlan1 1000 200)"
wait_for 30 all_stored wlan3 || true
equal "frames stored" "$(heard wlan3)" "$(stored 'SELECT sum(frames) FROM windows')"
# The journal knows how bad a line is: one warning, of the vendor cache that nobody has made yet.
equal "warnings logged" 1 "$(journalctl --since "$begun" -u airtally-sensor -u airtally-ingest -p warning -q --no-pager | grep -c "no vendor cache" || true)"
equal "other warnings" 0 "$(journalctl --since "$begun" -u airtally-sensor -u airtally-ingest -p warning -q --no-pager | grep -vc "no vendor cache" || true)"

# The broker away, the sensor counts, and is restarted: nothing it counted is lost.
systemctl stop mosquitto
note "$(inject wlan1 1000 200)"
sleep 5
systemctl restart airtally-sensor
note "$(inject wlan1 500 200)"
systemctl start mosquitto
wait_for 60 all_stored wlan3 || true
equal "frames stored, over a broker's absence and a restart" "$(heard wlan3)" "$(stored 'SELECT sum(frames) FROM windows')"
equal "runs" 2 "$(stored 'SELECT count(DISTINCT run) FROM windows')"
equal "gaps declared" 0 "$(stored 'SELECT count(*) FROM gaps')"

# A spool that a newer version wrote is refused with a sentence, and kept.
systemctl stop airtally-sensor
spool=$(find /var/lib/airtally -name '*.sqlite' -newer before | grep -v oui | head -n 1)
format=$(sqlite3 "$spool" 'PRAGMA user_version')
sqlite3 "$spool" 'ALTER TABLE runs ADD COLUMN invented INTEGER; PRAGMA user_version = 99'
systemctl start airtally-sensor || true
wait_for 20 journalctl -u airtally-sensor -q --no-pager -g 'install the newer airtally again'
ok "a newer spool is refused: $(journalctl -u airtally-sensor -q --no-pager -o cat -g 'install the newer airtally again' | head -n 1)"
systemctl stop airtally-sensor
systemctl reset-failed airtally-sensor
equal "and kept" 99 "$(sqlite3 "$spool" 'PRAGMA user_version')"
sqlite3 "$spool" "ALTER TABLE runs DROP COLUMN invented; PRAGMA user_version = $format"
systemctl start airtally-sensor

dpkg --purge airtally >>apt.log 2>&1
equal "users after purging" "" "$(getent passwd airtally airtally-ingest || true)"
find / -xdev -name '*airtally*' -not -path '/proc/*' -not -path '/etc/mosquitto/*' | sort >after
equal "files after purging" "" "$(comm -13 before after | xargs)"
equal "processes after purging" "" "$(pgrep -a airtally | xargs)"
end_witness wlan3
