"""deskwire's chat on FastAPI, to compare with: the part of the protocol that the benches use, without authentication."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

import orjson
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI(openapi_url=None)


@dataclass(slots=True, eq=False)
class Peer:
    id: str
    socket: WebSocket
    online: bool = False
    ticket: "Ticket | None" = None

    async def send(self, **frame) -> None:
        await self.send_encoded(encode(frame))

    async def send_encoded(self, text: str) -> None:
        try:
            await self.socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the task that reads this socket notices and cleans up


@dataclass(slots=True, eq=False)
class Ticket:
    id: str
    user: Peer
    subject: str
    created_at: int
    state: str = "waiting"
    staff: Peer | None = None
    last_seq: int = 0
    last_id: dict[str, int] = field(default_factory=lambda: {"user": 0, "staff": 0})

    def view(self) -> dict:
        return {
            "ticket_id": self.id,
            "user_id": self.user.id,
            "subject": self.subject,
            "state": self.state,
            "staff_id": self.staff.id if self.staff else None,
            "user_online": users.get(self.user.id) is self.user,
            "created_at": self.created_at,
        }


users: dict[str, Peer] = {}
staff: dict[str, Peer] = {}
tickets: dict[str, Ticket] = {}
numbers = count(1)


def encode(frame: dict) -> str:
    return orjson.dumps(frame).decode()


def now() -> int:
    return time.time_ns() // 1_000_000


async def tell_staff(**frame) -> None:
    text = encode(frame)
    for member in list(staff.values()):
        await member.send_encoded(text)


async def refuse(peer: Peer, code: str, frame: dict) -> None:
    named = {key: frame[key] for key in ("id", "ticket_id") if key in frame}
    await peer.send(type="error", code=code, message=code, **named)


async def close(ticket: Ticket, by: str) -> None:
    if tickets.pop(ticket.id, None) is None:
        return
    ticket.user.ticket = None
    closed = {"type": "ticket_closed", "ticket_id": ticket.id, "by": by, "at": now()}
    await ticket.user.send(**closed)
    if ticket.staff:
        await ticket.staff.send(**closed)
    await tell_staff(type="ticket_removed", ticket_id=ticket.id)


async def create_ticket(user: Peer, frame: dict) -> None:
    if user.ticket:
        return await refuse(user, "ticket_exists", frame)
    ticket = Ticket(f"T{next(numbers)}", user, frame["subject"], now())
    tickets[ticket.id] = user.ticket = ticket
    await user.send(type="ticket_created", ticket_id=ticket.id, subject=ticket.subject, at=ticket.created_at)
    await tell_staff(type="ticket_added", ticket=ticket.view())


async def user_message(user: Peer, frame: dict) -> None:
    ticket = user.ticket
    if ticket is None:
        return await refuse(user, "no_ticket", frame)
    if ticket.state != "active" or ticket.staff is None:
        return await refuse(user, "staff_offline", frame)
    await relay(ticket, "user", user, ticket.staff, frame)


async def user_delivered(user: Peer, frame: dict) -> None:
    if (ticket := user.ticket) and ticket.staff:
        await ticket.staff.send(type="delivered", ticket_id=ticket.id, seq=frame["seq"], at=now())


async def user_closes(user: Peer, frame: dict) -> None:
    if user.ticket is None:
        return await refuse(user, "no_ticket", frame)
    await close(user.ticket, "user")


async def go_online(member: Peer, frame: dict) -> None:
    member.online = True
    await member.send(type="presence", online=True)


async def pick_ticket(member: Peer, frame: dict) -> None:
    ticket = tickets.get(frame["ticket_id"])
    if not member.online:
        return await refuse(member, "you_are_offline", frame)
    if ticket is None:
        return await refuse(member, "no_ticket", frame)
    if ticket.state == "active":
        return await refuse(member, "ticket_taken", frame)
    ticket.state, ticket.staff, at = "active", member, now()
    await member.send(
        type="ticket_picked",
        ticket_id=ticket.id,
        user_id=ticket.user.id,
        subject=ticket.subject,
        last_seq=ticket.last_seq,
        last_id=ticket.last_id["staff"],
        at=at,
    )
    await ticket.user.send(type="staff_joined", ticket_id=ticket.id, staff_id=member.id, at=at)
    await tell_staff(type="ticket_updated", ticket=ticket.view())


async def staff_message(member: Peer, frame: dict) -> None:
    ticket = tickets.get(frame["ticket_id"])
    if ticket is None:
        return await refuse(member, "no_ticket", frame)
    if ticket.staff is not member:
        return await refuse(member, "not_yours", frame)
    await relay(ticket, "staff", member, ticket.user, frame)


async def staff_delivered(member: Peer, frame: dict) -> None:
    ticket = tickets.get(frame["ticket_id"])
    if ticket is not None and ticket.staff is member:
        await ticket.user.send(type="delivered", ticket_id=ticket.id, seq=frame["seq"], at=now())


async def relay(ticket: Ticket, side: str, sender: Peer, receiver: Peer, frame: dict) -> None:
    ticket.last_seq += 1
    seq, at = ticket.last_seq, now()
    ticket.last_id[side] = frame["id"]
    await receiver.send(
        **{"type": "message", "ticket_id": ticket.id, "seq": seq, "from": side, "sender_id": sender.id},
        id=frame["id"],
        text=frame["text"],
        at=at,
    )
    await sender.send(type="ack", ticket_id=ticket.id, id=frame["id"], seq=seq, at=at)


Handler = Callable[[Peer, dict], Awaitable[None]]
USER: dict[str, Handler] = {
    "message": user_message,
    "delivered": user_delivered,
    "create_ticket": create_ticket,
    "close_ticket": user_closes,
}
STAFF: dict[str, Handler] = {
    "message": staff_message,
    "delivered": staff_delivered,
    "pick_ticket": pick_ticket,
    "go_online": go_online,
}


async def listen(peer: Peer, handlers: dict[str, Handler]) -> None:
    try:
        while True:
            frame = orjson.loads(await peer.socket.receive_text())
            handler = handlers.get(frame.get("type"))
            if handler:
                await handler(peer, frame)
            else:
                await refuse(peer, "bad_message", frame)
    except WebSocketDisconnect:
        pass


@app.websocket("/ws/user/{user_id}")
async def user_endpoint(socket: WebSocket, user_id: str) -> None:
    await socket.accept()
    user = users[user_id] = Peer(user_id, socket)
    try:
        await user.send(
            type="welcome",
            protocol=1,
            role="user",
            user_id=user_id,
            session="0" * 32,
            resumed=False,
            now=now(),
            desk_online=any(member.online for member in staff.values()),
            ticket=None,
            ended=None,
        )
        await listen(user, USER)
    finally:
        if users.get(user_id) is user:
            del users[user_id]
        if user.ticket:
            await close(user.ticket, "user")


def offered(socket: WebSocket) -> str | None:
    return "deskwire.v1" if "deskwire.v1" in socket.scope.get("subprotocols", ()) else None


@app.websocket("/ws/staff/{staff_id}")
async def staff_endpoint(socket: WebSocket, staff_id: str) -> None:
    await socket.accept(subprotocol=offered(socket))
    member = staff[staff_id] = Peer(staff_id, socket)
    try:
        views = [ticket.view() for ticket in tickets.values()]
        await member.send(
            type="welcome",
            protocol=1,
            role="staff",
            staff_id=staff_id,
            online=False,
            now=now(),
            tickets=views,
            more=0,
            staff=[other.id for other in staff.values() if other.online],
        )
        await listen(member, STAFF)
    finally:
        if staff.get(staff_id) is member:
            del staff[staff_id]
