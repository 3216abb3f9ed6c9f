#!/usr/bin/env python3
"""Chats over several nodes of one desk: load.py BINARY NODES [FSYNC]

FSYNC is Redis' appendfsync (no, everysec, always), or none for one desk without Redis. Twenty users at the nodes in turn
chat with staff at the next node for ten seconds, one message of 100 bytes and its confirmation after the other. Prints
messages a second, the time from a user to the staff member, processor time for each message of every node and of Redis,
and entries of the stream a second. The client is the bottleneck: what counts is processor time.
"""
import base64, json, os, selectors, socket, struct, subprocess, sys, tempfile, time

PAIRS, SECONDS, TOKEN, REDIS_PORT, FIRST_PORT = 20, 10, "t" * 32, 7499, 7500


class Client:
    def __init__(self, node, path, secret=""):
        self.socket = socket.create_connection(("127.0.0.1", FIRST_PORT + node))
        protocols = "deskwire.v1" + (f", secret.{secret}" if secret else "")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: {protocols}\r\n\r\n".encode()
        )
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            self.bytes += self.socket.recv(65536)
        self.bytes = self.bytes.split(b"\r\n\r\n", 1)[1]

    def send(self, **frame):
        body = json.dumps(frame).encode()
        length = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + struct.pack(">H", len(body))
        self.socket.sendall(b"\x81" + length + b"\0\0\0\0" + body)

    def frames(self):
        while len(self.bytes) >= 4:
            length, start = self.bytes[1] & 127, 2
            if length == 126:
                length, start = struct.unpack(">H", self.bytes[2:4])[0], 4
            if len(self.bytes) < start + length:
                return
            opcode, body = self.bytes[0] & 15, self.bytes[start : start + length]
            self.bytes = self.bytes[start + length :]
            if opcode == 1:
                yield json.loads(body)

    def until(self, kind):
        while True:
            for frame in self.frames():
                if frame["type"] == kind:
                    return frame
            self.bytes += self.socket.recv(65536)


def cpu(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def entries():
    command = ["redis-cli", "-p", str(REDIS_PORT), "xinfo", "stream", "deskwire:desk:log"]
    return int(subprocess.check_output(command).decode().split("entries-added")[1].split()[0])


def pair(number, nodes):
    staff = Client((number + 1) % nodes, f"/ws/staff/s{number}", TOKEN)
    staff.send(type="go_online")
    staff.until("presence")
    user = Client(number % nodes, f"/ws/user/u{number}")
    user.until("welcome")
    user.send(type="create_ticket", subject="load")
    ticket = user.until("ticket_created")["ticket_id"]
    staff.send(type="pick_ticket", ticket_id=ticket)
    staff.until("ticket_picked")
    return {"user": user, "staff": staff, "ticket": ticket, "id": 0}


def say(chat):
    chat["id"] += 1
    chat["at"] = time.time()
    chat["user"].send(type="message", id=chat["id"], text="x" * 100)


def chat_for(chats):
    poll, latencies, messages = selectors.DefaultSelector(), [], 0
    for chat in chats:
        for side in ("user", "staff"):
            poll.register(chat[side].socket, selectors.EVENT_READ, (chat, side))
        say(chat)
    end = time.time() + SECONDS
    while time.time() < end:
        for key, _ in poll.select(0.5):
            chat, side = key.data
            chat[side].bytes += chat[side].socket.recv(65536)
            for frame in chat[side].frames():
                if side == "staff" and frame["type"] == "message":
                    latencies.append(time.time() - chat["at"])
                    chat["staff"].send(type="delivered", ticket_id=chat["ticket"], seq=frame["seq"])
                elif side == "user" and frame["type"] == "delivered":
                    messages += 1
                    say(chat)
    return messages, sorted(latencies)


def main(binary, nodes, fsync="no"):
    processes, directory = [], tempfile.TemporaryDirectory()
    start = lambda command, **more: processes.append(
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    )
    try:
        has_redis = fsync != "none"
        if has_redis:
            start(["redis-server", "--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--dir", directory.name]
                  + ["--save", "", "--appendonly", "yes", "--appendfsync", fsync])
            time.sleep(1)
        for node in range(nodes):
            options = ["--listen", f"127.0.0.1:{FIRST_PORT + node}", "--rate-limit", "0"]
            options += ["--redis", f"redis://127.0.0.1:{REDIS_PORT}"] if has_redis else []
            start([binary] + options, env=dict(os.environ, DESKWIRE_STAFF_TOKEN=TOKEN))
        time.sleep(2)
        chats = [pair(number, nodes) for number in range(PAIRS)]
        before, entries_before = [cpu(process) for process in processes], entries() if has_redis else 0
        messages, latencies = chat_for(chats)
        used = [round((cpu(p) - b) / messages * 1e6) for p, b in zip(processes, before)]
        at = lambda part: f"{latencies[int(len(latencies) * part)] * 1e3:.1f} ms"
        print(f"{nodes} nodes, appendfsync {fsync}: {messages / SECONDS:.0f} messages/s, p50 {at(0.5)}, p99 {at(0.99)};"
              f" us of CPU a message: nodes {used[has_redis:]}, Redis {used[:has_redis]};"
              f" {((entries() if has_redis else 0) - entries_before) / SECONDS:.0f} entries/s")
    finally:
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4])
