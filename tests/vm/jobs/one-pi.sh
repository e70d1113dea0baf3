# limit: 900
# One machine that does it all, from the package: setup with a file of answers writes card, broker, history and page, starts
# them, and tells the first counts; the page shows them to who knows its password. A second setup changes nothing.
# shellcheck shell=bash

radios 3
monitor wlan1 6
# On the air the whole time: beacons of two stations.
inject wlan1 60000 100 02:00:5e:00:00:01 02:00:5e:00:00:02 >inject.log 2>&1 &
air=$!
find / -xdev -name '*airtally*' -not -path '/proc/*' | sort >before

begun=$SECONDS
install_package
note "installed after $((SECONDS - begun)) s"
echo 'correct horse' >page-password
cat >answers.toml <<END_OF_ANSWERS
role = "all"
site = "vm"
sensor = "pi"
interface = "wlan0"
page = "network"
page_password_file = "$PWD/page-password"
END_OF_ANSWERS
status=0
"$airtally" setup --answers answers.toml >setup.log 2>&1 || status=$?
sed 's/^/     /' setup.log
equal "setup's end" 0 "$status"
[ "$status" = 0 ] || exit 1
note "setup ended after $((SECONDS - begun)) s"
holds "it tells the first counts" grep -q '^first counts: [0-9]* frames of [0-9]* station' setup.log
holds "it tells the address" grep -q '^the page: http://' setup.log

# counts: frames that the page's own API has of the sensor, by the page's password.
counts() {
    python3 - "$1" <<'END_OF_PYTHON'
import http.cookiejar, json, sys, urllib.parse, urllib.request
cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
opener = urllib.request.build_opener(cookies)
page = "http://127.0.0.1:8780"
opener.open(page + "/login", urllib.parse.urlencode({"password": sys.argv[1]}).encode()).read()
answer = json.load(opener.open(page + "/api/v1/windows"))
rows = next(value for value in answer.values() if isinstance(value, list))
print(sum(row["frames"] for row in rows))
END_OF_PYTHON
}
some_counts() { [ "$(counts 'correct horse')" -gt 0 ]; }
wait_for 60 some_counts
took=$((SECONDS - begun))
note "frames on the page: $(counts 'correct horse')"
most "seconds from the bare system to counts on the page" 600 "$took"
if counts 'wrong horse' >/dev/null 2>&1; then fail "a wrong password opens the page"; else ok "a wrong password opens nothing"; fi

for unit in mosquitto airtally-ingest airtally-sensor; do
    equal "$unit" "enabled active" "$(systemctl is-enabled $unit) $(systemctl is-active $unit)"
done
equal "the broker listens on loopback alone" "127.0.0.1:1883" "$(ss -Hltn 'sport = :1883' | awk '{print $4}' | xargs)"
equal "its passwords" "640 root:mosquitto" "$(stat -c '%a %U:%G' /etc/mosquitto/airtally.passwd)"
for secret in sensor.secrets/mqtt-password ingest.secrets/mqtt-password ingest.secrets/web-password; do
    equal "$secret" "600 root:root" "$(stat -c '%a %U:%G' "/etc/airtally/$secret")"
done
if mosquitto_sub -h 127.0.0.1 -t '#' -C 1 -W 3 >/dev/null 2>&1; then fail "the broker takes strangers"; else ok "the broker takes no strangers"; fi

# Again: no file changes, and nothing is restarted.
state() { find /etc/airtally /etc/mosquitto -type f -exec stat -c '%n %a %U %Y' {} + -exec md5sum {} + | sort; }
state >first
pids="$(main_pid mosquitto) $(main_pid airtally-ingest) $(main_pid airtally-sensor)"
holds "setup, a second time" "$airtally" setup --yes
state >second
equal "files changed by it" "" "$(diff first second || true)"
equal "restarted by it" "$pids" "$(main_pid mosquitto) $(main_pid airtally-ingest) $(main_pid airtally-sensor)"

# A card that is not there: it says so, and changes nothing.
sed 's/wlan0/wlan9/' answers.toml >wrong.toml
if "$airtally" setup --answers wrong.toml >wrong.log 2>&1; then fail "setup took a card that is not there"; fi
holds "a card that is not there is named" grep -q wlan9 wrong.log
state >third
equal "files changed by that" "" "$(diff first third || true)"

kill $air
wait $air 2>/dev/null || true
dpkg --purge airtally >>apt.log 2>&1
systemctl stop mosquitto
find / -xdev -name '*airtally*' -not -path '/proc/*' | sort >after
equal "files after purging" "" "$(comm -13 before after | xargs)"
