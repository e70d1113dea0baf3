#!/usr/bin/env python3
"""Adds up what sensors publish over MQTT, exactly: each frame once, and what is missing is named.

    examples/subscribe.py --host broker.example.org
    examples/subscribe.py --sensor attic --until-ended       # a sensor that replays a capture file: ends with it

Needs paho-mqtt (Debian: python3-paho-mqtt). It tells of each window on standard error; at its end (Ctrl-C, SIGTERM)
it prints the sums of each run as one line of JSON. What a subscriber has to look at is in docs/mqtt.md, "What a
subscriber does"; `Run` below is all of it.
"""

import argparse
import json
import signal
import sys
import uuid
from collections import Counter

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

BATCH, GAP = "airtally.batch/1", "airtally.gap/1"
# Where a frame is counted: each in exactly one of these.
CLASSES = ("station_frames", "bad_fcs", "malformed", "without_ta", "group_ta", "overflow_frames")
# No run has a window of a higher number, whatever a message says.
LAST_SEQ = 1 << 40
# Parts of a window, at most.
MOST_PARTS = 10_000
# How long the broker keeps what comes while the connection is broken, in seconds.
SESSION = 3600


class Ranges:
    """A set of whole numbers, as ranges: small however many there are, for they come in order, mostly."""

    def __init__(self):
        self.ranges = []  # [first, last], ascending, apart from each other by more than one

    def __contains__(self, number):
        return any(first <= number <= last for first, last in self.ranges)

    def add(self, first, last):
        apart = [one for one in self.ranges if one[1] + 1 < first or last + 1 < one[0]]
        touching = [one for one in self.ranges if one not in apart]
        first = min([first, *(one[0] for one in touching)])
        last = max([last, *(one[1] for one in touching)])
        self.ranges = sorted([*apart, [first, last]])

    def holes(self, end):
        """What is missing of 0..=end."""
        holes, expected = [], 0
        for first, last in [*self.ranges, [end + 1, end + 1]]:
            if expected < min(first, end + 1):
                holes.append([expected, min(first, end + 1) - 1])
            expected = max(expected, last + 1)
        return holes


class Run:
    """What came of one run of one sensor."""

    def __init__(self):
        self.whole = Ranges()  # windows of which all parts came
        self.open = {}  # window -> the parts that came of it
        self.gaps = []  # [first, last, reason], as declared
        self.last = -1  # the newest window heard of
        self.ended = False  # the last window of a run that ended in order was heard
        self.again = 0  # parts that had come before
        self.sums, self.stations = Counter(), Counter()

    def add(self, batch):
        """Counts a part of a window, once. Says whether the window is whole now."""
        seq, part, parts = batch["seq"], batch["part"], batch["parts"]
        if not (0 <= seq <= LAST_SEQ and 0 <= part < parts <= MOST_PARTS):
            raise ValueError("its numbers are impossible")
        if (part == 0) != (batch.get("capture") is not None):
            raise ValueError("'capture' belongs to part 0 and to no other")
        if seq in self.whole or part in self.open.get(seq, ()):
            self.again += 1
            return False
        rows = [(row["mac"], row["frames_sent"]) for row in batch["stations"]]
        # With privacy.mac = "vendor" there are sums of vendors in place of stations.
        rows += [(row.get("vendor") or "?", row["frames_sent"]) for row in batch.get("vendors", ())]
        capture = batch.get("capture") or {}
        sums = {key: capture[key] for key in ("frames", "bytes", *CLASSES) if capture}
        # Nothing is added before all of the message was understood.
        for name, frames in rows:
            self.stations[name] += frames
        self.sums.update(sums)
        self.last = max(self.last, seq)
        self.ended |= batch.get("final", False)
        came = self.open.setdefault(seq, set())
        came.add(part)
        # The window's flows and alerts, if its sensor tells them, are on other topics.
        if len(came) < parts - batch.get("flow_parts", 0) - batch.get("alert_parts", 0):
            return False
        del self.open[seq]
        self.whole.add(seq, seq)
        return True

    def lose(self, gap):
        """A declared loss. Windows of it that come after all are counted, and are not missing."""
        first, last = gap["first_seq"], gap.get("last_seq")
        last = first if last is None else last
        if not 0 <= first <= last <= LAST_SEQ:
            raise ValueError("its numbers are impossible")
        if [first, last, gap["reason"]] not in self.gaps:
            self.gaps.append([first, last, gap["reason"]])
        self.last = max(self.last, last)

    def missing(self):
        """Windows that neither came whole nor were declared lost."""
        known = Ranges()
        for first, last, *_ in [*self.whole.ranges, *self.gaps]:
            known.add(first, last)
        return known.holes(self.last)

    def report(self):
        """The sums, and whether they add up: all frames by class, those of stations by station."""
        sums = self.sums
        conserved = sums["frames"] == sum(sums[key] for key in CLASSES)
        # A window whose first part is missing has stations and no classes.
        if not self.open:
            conserved &= sums["station_frames"] == sum(self.stations.values())
        windows = sum(last - first + 1 for first, last in self.whole.ranges)
        return {
            "windows": windows,
            "ended": self.ended,
            "missing": self.missing(),
            "declared": self.gaps,
            "again": self.again,
            "conserved": conserved,
            **{key: sums[key] for key in ("frames", "bytes", *CLASSES)},
            "stations": dict(sorted(self.stations.items())),
        }


class Subscriber:
    """The runs heard of, by site, sensor and run."""

    def __init__(self):
        self.runs = {}

    def take(self, payload):
        """Takes a message on `batch` or `event`; raises where it cannot be one."""
        message = json.loads(payload)
        schema = message["schema"]
        if schema not in (BATCH, GAP):
            # An event is news, and no count; another major version is not for us.
            if schema.startswith("airtally.event/"):
                return
            raise ValueError(f"its schema is {schema}")
        name = (message["site"], message["sensor"], message["run"])
        run = self.runs.get(name) or Run()
        if schema == GAP:
            run.lose(message)
            say(f"{'/'.join(name)}: lost windows {message['first_seq']} to {message.get('last_seq')}: {message['reason']}")
        elif run.add(message):
            say(f"{'/'.join(name)}: window {message['seq']} of {message['start']}, {run.sums['frames']} frames so far")
        self.runs[name] = run

    def has_all(self):
        """Whether every run heard of has ended, and nothing of it is missing."""
        return bool(self.runs) and all(run.ended and not run.missing() for run in self.runs.values())


def say(sentence):
    print(sentence, file=sys.stderr, flush=True)


def client_of(arguments):
    """A client that keeps its session while the connection is broken, and begins with a fresh one."""
    name = arguments.client_id or f"subscribe-{uuid.uuid4()}"
    if hasattr(mqtt, "CallbackAPIVersion"):  # paho-mqtt 2
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    return mqtt.Client(client_id=name, protocol=mqtt.MQTTv5)


def main():
    parser = argparse.ArgumentParser(description="Add up what airtally's sensors publish, exactly")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, help="1883, or 8883 with --ca-file")
    parser.add_argument("--ca-file", help="authorities to trust (PEM): the connection uses TLS")
    parser.add_argument("--user")
    parser.add_argument("--password-file", help="its first line is the password")
    parser.add_argument("--client-id")
    parser.add_argument("--base-topic", default="airtally")
    parser.add_argument("--site", default="+", help="one site; all where absent")
    parser.add_argument("--sensor", default="+", help="one sensor; all where absent")
    parser.add_argument("--until-ended", action="store_true", help="end when all runs heard of have ended and nothing is missing")
    arguments = parser.parse_args()

    subscriber = Subscriber()
    client = client_of(arguments)
    if arguments.user:
        password = None
        if arguments.password_file:
            with open(arguments.password_file, encoding="utf-8") as file:
                password = file.readline().rstrip("\r\n")
        client.username_pw_set(arguments.user, password)
    if arguments.ca_file:
        client.tls_set(arguments.ca_file)
    filters = [(f"{arguments.base_topic}/{arguments.site}/{arguments.sensor}/{leaf}", 1) for leaf in ("batch", "event")]
    failed = []

    def on_connect(client, _data, _flags, reason, _properties):
        if reason != 0:
            failed.append(f"the broker refuses the connection: {reason}")
            client.disconnect()
            return
        # Also after a reconnect: the session may be gone.
        client.subscribe(filters)

    def on_subscribe(client, _data, _id, reasons, _properties=None):
        if any(getattr(reason, "value", reason) >= 0x80 for reason in reasons):
            failed.append(f"the broker refuses to let us read {filters[0][0]}: does its ACL allow it?")
            client.disconnect()
        else:
            say("listening")

    def on_message(client, _data, message):
        if message.retain:
            return  # a window is told once; what a broker kept is no news
        try:
            subscriber.take(message.payload)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            say(f"set aside a message on {message.topic}: {error!r}")
        if arguments.until_ended and subscriber.has_all():
            client.disconnect()

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    signal.signal(signal.SIGTERM, lambda *_: client.disconnect())
    signal.signal(signal.SIGINT, lambda *_: client.disconnect())
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = SESSION
    port = arguments.port or (8883 if arguments.ca_file else 1883)
    try:
        client.connect(arguments.host, port, clean_start=mqtt.MQTT_CLEAN_START_FIRST_ONLY, properties=properties)
    except OSError as error:
        say(f"subscribe.py: cannot connect to {arguments.host}:{port}: {error}")
        return 1
    client.loop_forever()
    for (site, sensor, run), sums in subscriber.runs.items():
        print(json.dumps({"site": site, "sensor": sensor, "run": run, **sums.report()}))
    for sentence in failed:
        say(f"subscribe.py: {sentence}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
