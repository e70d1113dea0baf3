# limit: 900
# A plan over 2.4 and 5 GHz: listened milliseconds are those of the plan, windows are accounted for, and two different
# plans give the same rate of frames per second listened.
# shellcheck shell=bash
# shellcheck source=tests/vm/radio.sh
. "$(dirname "${BASH_SOURCE[0]}")/../radio.sh"

iw reg set US
radios 4
monitor wlan1 6
monitor wlan2 11
monitor wlan3 36
broker
subscribe
for n in 1 2 3; do inject "wlan$n" 100000 250 "02:00:5e:00:00:0$n" >"inject-$n.log" 2>&1 & done

# A simulated radio goes on hearing the channel it was on when a monitor came up, wherever it is tuned afterwards. So it
# comes up on one that nobody speaks on.
park() {
    monitor wlan0 3
    ip link set wlan0 down
    iw dev wlan0 set type managed
}

# plan NAME TOML: listens for 45 s by this plan.
plan() {
    park
    note "plan $1: ${2//$'\n'/, }"
    sensor_name=$1 radio_sensor "interface = \"wlan0\"
$2"
    sleep 45
    stop "$sensor_pid"
    rm -rf sensor-run sensor-state
}
plan even $'channels = "6,11,36"\ndwell = "250ms"\norder = "sequential"\nadaptive = false'
plan uneven $'channels = "6,11,36,2,40"\ndwell = "400ms"\nmin_dwell = "100ms"'
sleep 1
stop "$subscriber"
kill %% 2>/dev/null || true
pkill -P $$ python3 || true

cat >analyse.py <<'END'
import json, sys
total = {}
lost = {}
for line in open("messages"):
    _, topic, text = line.split(" ", 2)
    if not topic.endswith("/batch"):
        continue
    b = json.loads(text)
    if b["seq"] == 0 or b["final"]:
        continue
    plan = total.setdefault(b["sensor"], {})
    capture = b["capture"]
    window = 1000
    # A window in which the card was being set up has no channels.
    channels = b.get("channels", [])
    sum_ms = sum(c["listened_ms"] for c in channels) + capture["switching_ms"] + capture["off_ms"]
    if sum_ms != window:
        print(f"unequal {b['sensor']} {b['seq']}: {sum_ms}")
    for c in channels:
        sums = plan.setdefault(c["freq_mhz"], [0, 0])
        sums[0] += c["listened_ms"]
        sums[1] += c["frames"]
    lost.setdefault(b["sensor"], [0, 0, 0])
    lost[b["sensor"]][0] += capture["switching_ms"]
    lost[b["sensor"]][1] += capture["off_ms"]
    lost[b["sensor"]][2] += capture["kernel_drops"]
for name, plan in total.items():
    for freq, (ms, frames) in sorted(plan.items()):
        print(f"{name} {freq}: {ms} ms, {frames} frames, {frames / max(ms, 1) * 1000:.1f}/s")
    print(f"{name} switching {lost[name][0]} ms, off {lost[name][1]} ms, kernel drops {lost[name][2]}")
even = total["even"]
each = sum(ms for ms, _ in even.values()) / 3
print("worst share off the plan, per mille:", round(max(abs(ms - each) for ms, _ in even.values()) / each * 1000))
worst = 0
for freq in (2437, 2462, 5180):
    a, b = (total[name][freq] for name in ("even", "uneven"))
    worst = max(worst, abs(a[1] / a[0] - b[1] / b[0]) / (a[1] / a[0]))
    print("heard at least", min(a[1], b[1]))
print("worst difference of rates, per mille:", round(worst * 1000))
END
python3 analyse.py | tee analysis
tail -n 1 inject-*.log
equal "windows that do not add up" 0 "$(grep -c ^unequal analysis || true)"
most "listened to otherwise than planned, per mille" 50 "$(sed -n 's/worst share.*: //p' analysis)"
least "frames heard on each channel by each plan" 2000 "$(sed -n 's/heard at least //p' analysis | sort -n | head -n 1)"
most "difference of exposure-normalised rates, per mille" 50 "$(sed -n 's/worst difference.*: //p' analysis)"
