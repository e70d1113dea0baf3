"""A receiver of webhooks: prints its port, then each request as a line of JSON. Shares nothing with the sender.

Arguments: the secret, then the statuses to answer with, one a request; after the last of them 204. 3xx point to /elsewhere. CERT and KEY in the
environment: over TLS.
"""
import hashlib, hmac, http.server, json, os, ssl, sys

secret, answers = sys.argv[1].encode(), [int(status) for status in sys.argv[2:]]


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        stamp = self.headers["Airtally-Timestamp"]
        expected = "sha256=" + hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        status = answers.pop(0) if answers else 204
        print(json.dumps({
            "path": self.path,
            "signed": hmac.compare_digest(expected, self.headers["Airtally-Signature"]),
            "delivery": self.headers["Airtally-Delivery"],
            "type": self.headers["Content-Type"],
            "answered": status,
            "body": json.loads(body),
        }), flush=True)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        if status == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
if "CERT" in os.environ:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()
