"""A real Telegraf reads what real sensors publish, by packaging/telegraf/airtally.conf: its sums are those of the messages.

    tests/peers/telegraf.py TELEGRAF AIRTALLY SYNTH

TELEGRAF is Telegraf's program; AIRTALLY and SYNTH (which makes captures) are ours. Run by scripts/test-peers. Everything is in a
temporary folder and on a free port of the loopback. Ends with 'N passed, N failed'.
"""

import collections
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TELEGRAF, AIRTALLY, SYNTH = sys.argv[1:]
FOLDER = tempfile.mkdtemp(prefix="airtally-telegraf-")
running, results = {}, []
with socket.socket() as one:
    one.bind(("127.0.0.1", 0))
    BROKER = one.getsockname()[1]


def start(name, *command):
    log = open(f"{FOLDER}/{name}.log", "ab")
    running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def stop(name, how=signal.SIGTERM):
    process = running.pop(name)
    process.send_signal(how)
    process.wait(60)


def write(name, text):
    with open(f"{FOLDER}/{name}", "w") as file:
        file.write(text)


def check(what, found, wanted):
    results.append(found == wanted)
    print(f"{'ok  ' if found == wanted else 'FAIL'} {what}: {found}" + ("" if found == wanted else f", and not {wanted}"), flush=True)


def messages():
    with open(f"{FOLDER}/listener.log") as log:
        unique = {}
        for line in log:
            one = json.loads(line)
            unique[one["sensor"], one["run"], one["seq"], one["part"]] = one
        return list(unique.values())


def points():
    """What Telegraf wrote: measurement, tags and fields, a point of the same series and time once."""
    found = {}
    with open(f"{FOLDER}/points.lp") as lines:
        for line in lines:
            series, fields, stamp = re.fullmatch(r"((?:\\.|[^ ])+) (.*) (\d+)", line.strip()).groups()
            measurement, *tags = re.split(r"(?<!\\),", series)
            values = {name: int(value) for name, value in re.findall(r"(\w+)=(-?\d+)i", fields)}
            found.setdefault((series, stamp), (measurement, dict(tag.split("=", 1) for tag in tags), {}))[2].update(values)
    return list(found.values())


def summed(measurement, field, tag=None):
    sums = collections.Counter()
    for name, tags, values in points():
        if name == measurement and field in values:
            sums[tags[tag] if tag else "all"] += values[field]
    return dict(sums) if tag else sums["all"]


def sensor(name, number):
    capture = f"{FOLDER}/{name}.pcap"
    subprocess.run([SYNTH, "--frames", "20000", "--stations", "500", "--seconds", "60", "--seed", str(number), capture], check=True,
                   stdout=subprocess.DEVNULL)
    write(f"{name}.toml", f"""
site = "home"
sensor = "{name}"
[source]
kind = "file"
file = "{capture}"
pace = "fast"
[mqtt]
host = "127.0.0.1"
port = {BROKER}
max_message = "16KiB"
[spool]
runtime_dir = "{FOLDER}/{name}-run"
state_dir = "{FOLDER}/{name}-state"
""")
    subprocess.run([AIRTALLY, "sensor", "--config", f"{FOLDER}/{name}.toml"], check=True, stderr=subprocess.DEVNULL, timeout=120)


def run():
    write("mosquitto.conf", f"listener {BROKER} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 0\n")
    with open("packaging/telegraf/airtally.conf") as config:
        text = config.read()
    assert "tcp://localhost:1883" in text
    write("telegraf.conf", "[agent]\n  omit_hostname = true\n  flush_interval = \"1s\"\n"
          + f'[[outputs.file]]\n  files = ["{FOLDER}/points.lp"]\n  data_format = "influx"\n'
          + text.replace("tcp://localhost:1883", f"tcp://127.0.0.1:{BROKER}"))
    start("mosquitto", shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", f"{FOLDER}/mosquitto.conf")
    time.sleep(1)
    start("listener", "mosquitto_sub", "-V", "5", "-q", "1", "-p", str(BROKER), "-t", "airtally/+/+/batch")
    start("telegraf", TELEGRAF, "--config", f"{FOLDER}/telegraf.conf")
    time.sleep(3)
    sensor("attic", 1)
    # It is away meanwhile: the broker keeps what comes.
    stop("telegraf")
    sensor("cellar", 2)
    start("telegraf", TELEGRAF, "--config", f"{FOLDER}/telegraf.conf")
    all_of = messages()
    stations = collections.Counter()
    for one in all_of:
        for station in one["stations"]:
            if station["tracked"]:
                stations[station["mac"]] += station["frames_sent"]
    end = time.monotonic() + 60
    while time.monotonic() < end and summed("wifi_station", "frames_sent", "station") != dict(stations):
        time.sleep(1)
    check("windows in more than one part", any(one["parts"] > 1 for one in all_of), True)
    for field in ("frames", "bytes", "station_frames", "without_ta", "bad_fcs", "overflow_frames"):
        check(f"wifi_sensor {field}", summed("wifi_sensor", field),
              sum(one["capture"][field] for one in all_of if one["part"] == 0))
    check("frames by sensor", summed("wifi_sensor", "frames", "sensor"),
          {name: sum(one["capture"]["frames"] for one in all_of if one["part"] == 0 and one["sensor"] == name)
           for name in ("attic", "cellar")})
    channels = collections.Counter()
    for one in all_of:
        for channel in one.get("channels", []):
            channels[str(channel["freq_mhz"])] += channel["frames"]
    check("frames by channel", summed("wifi_channel", "frames", "freq_mhz"), dict(channels))
    check("tracked stations there are", len(stations) > 3, True)
    check("frames by tracked station", summed("wifi_station", "frames_sent", "station"), dict(stations))
    check("what a capture does not know has no value", summed("wifi_sensor", "kernel_drops", "sensor"), {})


try:
    run()
finally:
    for name in list(running):
        stop(name, signal.SIGKILL)
    if results and all(results):
        shutil.rmtree(FOLDER)
    else:
        print(f"logs are in {FOLDER}")
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if results and all(results) else 1)
