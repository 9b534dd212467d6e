"""An endpoint of OpenAI's /embeddings on the loopback: embed_endpoint.py [CERTIFICATE KEY].

Writes its port into the file `port`, and a line for each request that came into `seen`: its Authorization. How it answers stands in the file `how`:
good, slow (not at all, until the other side goes away), 429, 500, garbage, dimension (one float more), nan.
"""
import http.server
import json
import os
import ssl
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        how = open("how").read().strip()
        with open("seen", "a") as seen:
            seen.write("%s %s\n" % (how, self.headers.get("Authorization")))
        if how == "slow":
            self.rfile.read(1)
            return
        vectors = [[1.0, float(len(text))] + [0.5] * (how == "dimension") for text in asked["input"]]
        body = json.dumps({"data": [{"index": i, "embedding": v} for i, v in enumerate(vectors)]})
        if how == "garbage":
            body = "<html>busy</html>"
        elif how == "nan":
            body = body.replace("1.0", "NaN")
        self.send_response(int(how) if how.isdigit() else 200)
        if how == "429":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
open("port.new", "w").write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
