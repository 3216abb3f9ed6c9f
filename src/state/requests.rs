//! Finds the method that carries out a request, and sends an error if it is refused.

use super::staff::StaffKey;
use super::ticket_ids::TicketNo;
use super::users::UserKey;
use super::{ClosedBy, Emit, ErrorCode, Event, Names, Side, StaffCommand, State, UserCommand};
use crate::config::Millis;

impl State {
    pub(super) fn user_asks(
        &mut self,
        now: Millis,
        key: UserKey,
        (command, names): (&UserCommand<'_>, Option<&Names<'_>>),
        out: &mut dyn Emit,
    ) {
        let done = match command {
            UserCommand::CreateTicket { subject, name, page } => {
                self.create(now, key, (subject, name.as_ref(), page.as_ref()), out)
            }
            UserCommand::Ping => {
                self.to_user(key, &Event::Pong { now }, out);
                Ok(())
            }
            UserCommand::RateTicket { ticket, score } => self.rate(key, *ticket, *score, out),
            _ => match self.users[key].ticket {
                Some(number) => self.user_asks_of_ticket(now, number, command, out),
                None => Err(ErrorCode::NoTicket),
            },
        };
        if let Err(code) = done {
            let of_command = command.names();
            let names = names.unwrap_or(&of_command);
            self.to_user(key, &Event::Error { code, names }, out);
        }
    }

    fn user_asks_of_ticket(
        &mut self,
        now: Millis,
        number: TicketNo,
        command: &UserCommand<'_>,
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        match command {
            UserCommand::Message { id, text } => {
                return self.message(now, (number, Side::User), *id, text, out);
            }
            UserCommand::Delivered { seq } => self.confirm(now, (number, Side::User), *seq, out),
            UserCommand::Typing { active } => self.types(now, (number, Side::User), *active, out),
            UserCommand::CloseTicket => self.close(now, number, ClosedBy::User, out),
            UserCommand::Recap(recap) => return self.relay_recap(number, recap, out),
            UserCommand::CreateTicket { .. } | UserCommand::RateTicket { .. } | UserCommand::Ping => {}
        }
        Ok(())
    }

    pub(super) fn staff_asks(
        &mut self,
        now: Millis,
        key: StaffKey,
        (command, names): (&StaffCommand<'_>, Option<&Names<'_>>),
        out: &mut dyn Emit,
    ) {
        if let Err(code) = self.try_staff_command(now, key, command, out) {
            let of_command = command.names();
            let names = names.unwrap_or(&of_command);
            self.to_staff(key, &Event::Error { code, names }, out);
        }
    }

    fn try_staff_command(
        &mut self,
        now: Millis,
        key: StaffKey,
        command: &StaffCommand<'_>,
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        match command {
            StaffCommand::GoOnline { name } => self.go_online(now, key, name.as_ref(), out),
            StaffCommand::GoOffline => self.go_offline(now, key, out),
            StaffCommand::Ping => self.to_staff(key, &Event::Pong { now }, out),
            StaffCommand::PickTicket { ticket } => return self.pick(now, key, *ticket, out),
            StaffCommand::ReleaseTicket { ticket } => return self.release(now, key, *ticket, out),
            StaffCommand::TransferTicket { ticket, to, note } => {
                return self.transfer(now, key, *ticket, (to, note.as_ref()), out);
            }
            StaffCommand::Message { ticket, id, text } => {
                let number = self.find_own(key, *ticket)?;
                return self.message(now, (number, Side::Staff), *id, text, out);
            }
            StaffCommand::Delivered { ticket, seq } => {
                let number = self.find_own(key, *ticket)?;
                self.confirm(now, (number, Side::Staff), *seq, out);
            }
            StaffCommand::Typing { ticket, active } => {
                let number = self.find_own(key, *ticket)?;
                self.types(now, (number, Side::Staff), *active, out);
            }
            StaffCommand::CloseTicket { ticket } => {
                let number = self.find_own(key, *ticket)?;
                self.close(now, number, ClosedBy::Staff, out);
            }
        }
        Ok(())
    }
}
