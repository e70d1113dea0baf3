#!/usr/bin/env python3
"""Prints the 5-tuples of NMSG: what `airtally nmsg --format json` says of a file or of a socket, line by line.

    examples/tuples.py packets.nmsg
    examples/tuples.py -c 10 127.0.0.1/8430

No library is needed but Python's own. AIRTALLY names the program if it is not in the path.
"""

import argparse
import base64
import ipaddress
import json
import os
import subprocess
import sys

# Protocols whose headers begin with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
WITH_PORTS = {6, 17, 33, 132, 136}
# Extension headers of IPv6 that have their length in the second octet, in units of eight octets (RFC 8200, 4).
EXTENSIONS = {0, 43, 60, 135, 139, 140}


def of_packet(octets):
    """The 5-tuple of an IP packet, or None: it has no ports, is a later fragment, or is cut."""
    version = octets[0] >> 4
    if version == 4:
        start, end = (octets[0] & 15) * 4, int.from_bytes(octets[2:4], "big")
        if start < 20 or 0 < end < start or int.from_bytes(octets[6:8], "big") & 0x1FFF:
            return None
        protocol, source, target = octets[9], octets[12:16], octets[16:20]
    elif version == 6:
        start, end = 40, int.from_bytes(octets[4:6], "big")
        end = end and end + 40
        protocol, source, target = octets[6], octets[8:24], octets[24:40]
    else:
        return None
    octets = octets[: end or None]
    while protocol == 51 or version == 6 and protocol in EXTENSIONS | {44}:
        if protocol == 44 and int.from_bytes(octets[start + 2 : start + 4], "big") & 0xFFF8:
            return None
        unit, first = (4, 8) if protocol == 51 else (8, 8)
        length = 8 if protocol == 44 else first + unit * octets[start + 1]
        protocol, start = octets[start], start + length
    if protocol not in WITH_PORTS or len(octets) < start + 4:
        return None
    ports = octets[start : start + 4]
    return (
        protocol,
        ipaddress.ip_address(source),
        int.from_bytes(ports[:2], "big"),
        ipaddress.ip_address(target),
        int.from_bytes(ports[2:], "big"),
    )


def of_line(line):
    """The 5-tuple of a message, with None for what an ipconn does not say; None if it has none."""
    message = line.get("message", {})
    if line.get("mname") == "ipconn":
        return tuple(message.get(key) for key in ("proto", "srcip", "srcport", "dstip", "dstport"))
    if line.get("mname") == "packet":
        try:
            return of_packet(base64.b64decode(message["payload"]))
        except IndexError:
            return None
    return None


def end_of(address, port):
    """An address and its port, as far as they are known."""
    address = "?" if address is None else written(address)
    return address if port is None else f"{address}.{port}"


def written(address):
    """As the program writes it: IPv4 within IPv6 in the dotted form, whichever Python this is."""
    address = ipaddress.ip_address(address)
    if address.version == 6 and (address.ipv4_mapped or 0xFFFF < int(address) < 1 << 32):
        prefix = "::ffff:" if address.ipv4_mapped else "::"
        return prefix + str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return str(address)


def main():
    arguments = argparse.ArgumentParser(description="Print the 5-tuples of NMSG")
    arguments.add_argument("-c", "--count", type=int, help="end after this many")
    arguments.add_argument("source", metavar="FILE|-|ADDR/PORT")
    arguments = arguments.parse_args()
    source = arguments.source
    is_socket = "/" in source and not os.path.exists(source) and source.rsplit("/", 1)[1].replace("..", "").isdigit()
    program = os.environ.get("AIRTALLY", "airtally")
    command = [program, "nmsg", *(["--listen"] if is_socket else []), source, "--format", "json"]
    left = arguments.count
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        for line in reader.stdout:
            if left == 0:
                break
            line = json.loads(line)
            found = of_line(line)
            if found is None:
                continue
            protocol, source, source_port, target, target_port = found
            names = f"{line['vname']} {line['mname']}"
            number = {"ipconn": 5, "packet": 12}[line["mname"]]
            marks = " ".join(f"[{line.get(key, '')}]" for key in ("source", "operator", "group"))
            print(f"[{line['time']}] [1:{number} {names}] {marks}")
            protocol = "?" if protocol is None else protocol
            print(f"{end_of(source, source_port)} --> {end_of(target, target_port)} ({protocol})")
            left = left and left - 1
        else:
            return reader.wait()
        reader.terminate()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
