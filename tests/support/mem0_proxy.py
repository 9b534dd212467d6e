# A proxy before a mem0 server that answers well or badly, as the file `how` says: its port goes to the file `port`.
#   good, 429 and 500 (every other request), 401, 503, garbage, slow (no answer, until the client goes), cut (half an answer), away (the connection ends without one),
#   lost (the request is done, and the connection ends without an answer: the next adding request alone, then good)
import http.client
import http.server
import os
import sys

HOST, PORT = sys.argv[1].split("//")[1].split(":")


class Proxy(http.server.BaseHTTPRequestHandler):
    asked = 0

    def log_message(self, *_):
        pass

    def say(self, status, body, headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length or len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def forward(self, body):
        upstream = http.client.HTTPConnection(HOST, int(PORT), timeout=100)
        headers = {"Content-Type": "application/json", **{n: self.headers[n] for n in ("X-API-Key", "Authorization") if self.headers[n]}}
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        return answer.status, answer.read()

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        how = open("how").read().strip()
        Proxy.asked += 1
        with open("seen", "a") as seen:
            seen.write(f"{self.command} {self.path} {self.headers.get('X-API-Key')}\n")
        if how in ("429", "500") and Proxy.asked % 2:
            return self.say(int(how), b'{"detail":"not now"}', [("Retry-After", "0")])
        if how in ("401", "503"):
            return self.say(int(how), b'{"detail":"no"}')
        if how == "garbage":
            return self.say(200, b"<html>not JSON</html>")
        if how == "shape":
            return self.say(200, b'{"results":"none"}')
        if how == "away":
            self.close_connection = True
            return None
        if how == "slow":
            self.rfile.read(1)
            self.close_connection = True
            return None
        status, answer = self.forward(body)
        if how == "lost" and self.command == "POST":
            open("how", "w").write("good")
            self.close_connection = True
            return None
        return self.say(status, answer[: len(answer) // 2] if how == "cut" else answer, length=len(answer))

    do_GET = do_POST = do_PUT = do_DELETE = handle_one


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
with open("port.new", "w") as out:
    out.write(str(server.server_address[1]))
os.rename("port.new", "port")
server.serve_forever()
