// deskwire's chat on ws, to compare with: the part of the protocol that the benches use, without authentication.
// node server.js PORT

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const SUBPROTOCOL = 'deskwire.v1';
const users = new Map();
const staff = new Map();
const tickets = new Map();
let ticketCount = 0;

class Peer {
  constructor(id, socket) {
    this.id = id;
    this.socket = socket;
    this.online = false;
    this.ticket = null;
  }

  send(frame) {
    this.socket.send(JSON.stringify(frame));
  }

  refuse(code, { id, ticket_id }) {
    this.send({ type: 'error', code, message: code, id, ticket_id });
  }
}

class Ticket {
  constructor(user, subject) {
    this.id = `T${++ticketCount}`;
    this.user = user;
    this.subject = subject;
    this.createdAt = Date.now();
    this.state = 'waiting';
    this.staff = null;
    this.lastSeq = 0;
    this.lastId = { user: 0, staff: 0 };
  }

  view() {
    return {
      ticket_id: this.id,
      user_id: this.user.id,
      subject: this.subject,
      state: this.state,
      staff_id: this.staff?.id ?? null,
      user_online: users.get(this.user.id) === this.user,
      created_at: this.createdAt,
    };
  }

  relay(from, sender, receiver, { id, text }) {
    const seq = ++this.lastSeq;
    const at = Date.now();
    this.lastId[from] = id;
    receiver.send({ type: 'message', ticket_id: this.id, seq, from, sender_id: sender.id, id, text, at });
    sender.send({ type: 'ack', ticket_id: this.id, id, seq, at });
  }

  close(by) {
    if (!tickets.delete(this.id)) return;
    this.user.ticket = null;
    const frame = { type: 'ticket_closed', ticket_id: this.id, by, at: Date.now() };
    this.user.send(frame);
    this.staff?.send(frame);
    tellStaff({ type: 'ticket_removed', ticket_id: this.id });
  }
}

function tellStaff(frame) {
  const text = JSON.stringify(frame);
  for (const member of staff.values()) member.socket.send(text);
}

const userCommands = {
  create_ticket(user, frame) {
    if (user.ticket) return user.refuse('ticket_exists', frame);
    const ticket = new Ticket(user, frame.subject);
    user.ticket = ticket;
    tickets.set(ticket.id, ticket);
    user.send({ type: 'ticket_created', ticket_id: ticket.id, subject: ticket.subject, at: ticket.createdAt });
    tellStaff({ type: 'ticket_added', ticket: ticket.view() });
  },
  message(user, frame) {
    const { ticket } = user;
    if (!ticket) return user.refuse('no_ticket', frame);
    if (ticket.state !== 'active') return user.refuse('staff_offline', frame);
    ticket.relay('user', user, ticket.staff, frame);
  },
  delivered(user, { seq }) {
    const { ticket } = user;
    ticket?.staff?.send({ type: 'delivered', ticket_id: ticket.id, seq, at: Date.now() });
  },
  close_ticket(user, frame) {
    if (!user.ticket) return user.refuse('no_ticket', frame);
    user.ticket.close('user');
  },
};

const staffCommands = {
  go_online(member) {
    member.online = true;
    member.send({ type: 'presence', online: true });
  },
  pick_ticket(member, frame) {
    const ticket = tickets.get(frame.ticket_id);
    if (!member.online) return member.refuse('you_are_offline', frame);
    if (!ticket) return member.refuse('no_ticket', frame);
    if (ticket.state === 'active') return member.refuse('ticket_taken', frame);
    ticket.state = 'active';
    ticket.staff = member;
    const at = Date.now();
    member.send({
      type: 'ticket_picked',
      ticket_id: ticket.id,
      user_id: ticket.user.id,
      subject: ticket.subject,
      last_seq: ticket.lastSeq,
      last_id: ticket.lastId.staff,
      at,
    });
    ticket.user.send({ type: 'staff_joined', ticket_id: ticket.id, staff_id: member.id, at });
    tellStaff({ type: 'ticket_updated', ticket: ticket.view() });
  },
  message(member, frame) {
    const ticket = tickets.get(frame.ticket_id);
    if (!ticket) return member.refuse('no_ticket', frame);
    if (ticket.staff !== member) return member.refuse('not_yours', frame);
    ticket.relay('staff', member, ticket.user, frame);
  },
  delivered(member, { ticket_id, seq }) {
    const ticket = tickets.get(ticket_id);
    if (ticket?.staff === member) ticket.user.send({ type: 'delivered', ticket_id, seq, at: Date.now() });
  },
};

function listen(peer, commands) {
  peer.socket.on('message', (bytes) => {
    let frame;
    try {
      frame = JSON.parse(bytes);
    } catch {
      return peer.refuse('bad_message', {});
    }
    const command = Object.hasOwn(commands, frame.type) ? commands[frame.type] : null;
    if (command) command(peer, frame);
    else peer.refuse('bad_message', frame);
  });
  peer.socket.on('error', () => {}); // 'close' follows
}

function welcomeUser(id, socket) {
  const user = new Peer(id, socket);
  users.set(id, user);
  listen(user, userCommands);
  socket.on('close', () => {
    if (users.get(id) === user) users.delete(id);
    user.ticket?.close('user');
  });
  user.send({
    type: 'welcome',
    protocol: 1,
    role: 'user',
    user_id: id,
    session: '0'.repeat(32),
    resumed: false,
    now: Date.now(),
    desk_online: staff.size > 0,
    ticket: null,
    ended: null,
  });
}

function welcomeStaff(id, socket) {
  const member = new Peer(id, socket);
  staff.set(id, member);
  listen(member, staffCommands);
  socket.on('close', () => {
    if (staff.get(id) === member) staff.delete(id);
  });
  member.send({
    type: 'welcome',
    protocol: 1,
    role: 'staff',
    staff_id: id,
    online: false,
    now: Date.now(),
    tickets: Array.from(tickets.values(), (ticket) => ticket.view()),
    more: 0,
    staff: Array.from(staff.values()).filter((other) => other.online).map((other) => other.id),
  });
}

const server = createServer((_, response) => response.writeHead(404).end());
const sockets = new WebSocketServer({
  server,
  clientTracking: false,
  handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  maxPayload: 16 * 1024,
  perMessageDeflate: false,
});
sockets.on('connection', (socket, { url }) => {
  const [, , role, id] = url.split('/');
  if (role === 'user') welcomeUser(id, socket);
  else if (role === 'staff') welcomeStaff(id, socket);
  else socket.close();
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
