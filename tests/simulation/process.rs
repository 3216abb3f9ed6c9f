//! The process under test: the server on a simulated machine, with a desk whose every call is checked.

use std::rc::Rc;
use std::time::Instant;

use deskwire::config::Limits;
use deskwire::desk::Desk;
use deskwire::desk::auth::{AuthError, SecretSource};
use deskwire::desk::branding::Branding;
use deskwire::desk::pages::Pages;
use deskwire::server::Server;

use crate::checked_service::CheckedService;
use crate::figures::{MESSAGE_BYTES_MAX, MESSAGES_PER_S, PAYLOAD_BYTES_PER_S, SOCKETS_BESIDE};
use crate::machine::{Kernel, Listening, SharedMachine};
use crate::model::Model;
use crate::plan::Setup;
use crate::rng::Rng;
use crate::roster::SharedRoster;
use crate::world::{OTHER_ORIGINS, World};

thread_local! {
    /// Made once a thread, since making them takes longer than a whole history.
    static PAGES: Rc<Pages> = Rc::new(Pages::new(&Branding::default()));
}

impl World {
    /// Makes the desk of another process.
    pub fn new_desk(&mut self) -> Desk {
        new_desk(self.setup, self.rng.next(), &self.roster, &self.machine)
    }

    /// Makes the kernel of another process.
    pub fn kernel(&self) -> Kernel {
        Kernel {
            started: Instant::now(),
            machine: Rc::clone(&self.machine),
            wiring: Rc::clone(&self.wiring),
            ends: Rc::clone(&self.ends),
            written: Rc::clone(&self.written),
            disk: self.disk.clone(),
        }
    }

    pub fn new_service(&self, desk: Desk, model: Model) -> CheckedService {
        let (wiring, ends) = (Rc::clone(&self.wiring), Rc::clone(&self.ends));
        let mut service = CheckedService::new(desk, model, wiring, ends, self.setup);
        (service.roster, service.machine) = (Rc::clone(&self.roster), Rc::clone(&self.machine));
        service.disk = self.setup.has_journal.then(|| self.disk.clone());
        service
    }
}

/// The limits of a seed's server. Where the seed has those of PROTOCOL.md, they are the server's own defaults, which have to be
/// the same.
pub fn limits(setup: Setup) -> Limits {
    let mut limits = Limits {
        ping_interval_ms: setup.ping_interval_ms,
        connections_max: setup.connections_max,
        connections_per_address_max: setup.connections_per_address_max,
        ..Limits::default()
    };
    if setup.messages_per_s != MESSAGES_PER_S {
        limits.messages_per_s = setup.messages_per_s;
    }
    if setup.payload_bytes_per_s != PAYLOAD_BYTES_PER_S {
        limits.payload_bytes_per_s = setup.payload_bytes_per_s;
    }
    if setup.message_bytes_max != MESSAGE_BYTES_MAX {
        limits.message_bytes_max = setup.message_bytes_max;
    }
    if setup.sockets_beside != SOCKETS_BESIDE {
        limits.overflow_connections = setup.sockets_beside;
    }
    limits
}

pub fn new_server(kernel: Kernel, limits: Limits, service: CheckedService) -> Server<CheckedService, Kernel> {
    kernel.machine.borrow_mut().listens = true;
    let (listener, clock) = (Listening(Rc::clone(&kernel.machine)), kernel.clock());
    Server::on(kernel, listener, clock, limits, service)
}

pub fn new_desk(setup: Setup, seed: u64, roster: &SharedRoster, machine: &SharedMachine) -> Desk {
    let mut rng = Rng::new(seed);
    machine.borrow_mut().random_asked = 0;
    let machine = Rc::clone(machine);
    let secrets = SecretSource::from_fn(move |bytes| {
        let mut machine = machine.borrow_mut();
        machine.random_asked += 1;
        machine.random_failed = setup.lacks_random_bytes && machine.random_asked % 4 != 1;
        if machine.random_failed {
            return Err(AuthError::Token); // any of them
        }
        bytes.fill_with(|| rng.next().to_le_bytes()[0]);
        Ok(())
    });
    let (tokens, file) = roster.borrow_mut().start();
    let origins = OTHER_ORIGINS[..setup.allowed_origins].iter().copied().map(str::to_owned).collect();
    let mut desk = Desk::new(setup.rules, tokens, file, origins, secrets).expect("secrets");
    desk.serve_pages(PAGES.with(Rc::clone));
    if setup.limits_tickets {
        desk.limit_new_tickets();
    }
    desk
}
