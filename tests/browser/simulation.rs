//! The simulation's world and its model of the pages (`tests/simulation`), for the test that holds them to the real ones.
#![allow(dead_code, unused_imports, reason = "what only the simulation itself uses")]
#![allow(clippy::cast_possible_truncation, reason = "the numbers of a simulation are small")]

pub use crate::support::websocket as codec;

#[path = "../simulation/acts.rs"]
pub mod acts;
#[path = "../simulation/admission.rs"]
pub mod admission;
#[path = "../simulation/adversary.rs"]
pub mod adversary;
#[path = "../simulation/checked_service.rs"]
pub mod checked_service;
#[path = "../simulation/client.rs"]
pub mod client;
#[path = "../simulation/crowd.rs"]
pub mod crowd;
#[path = "../simulation/disk.rs"]
pub mod disk;
#[path = "../simulation/faults.rs"]
pub mod faults;
#[path = "../simulation/figures.rs"]
pub mod figures;
#[path = "../simulation/ledger.rs"]
pub mod ledger;
#[path = "../simulation/machine.rs"]
pub mod machine;
#[path = "../simulation/model/mod.rs"]
pub mod model;
#[path = "../simulation/network.rs"]
pub mod network;
#[path = "../simulation/pages/mod.rs"]
pub mod pages;
#[path = "../simulation/plan.rs"]
pub mod plan;
#[path = "../simulation/process.rs"]
pub mod process;
#[path = "../simulation/quiesce.rs"]
pub mod quiesce;
#[path = "../simulation/rng.rs"]
pub mod rng;
#[path = "../simulation/roster.rs"]
pub mod roster;
#[path = "../simulation/ticket_rates.rs"]
pub mod ticket_rates;
#[path = "../simulation/turns.rs"]
pub mod turns;
#[path = "../simulation/websocket.rs"]
pub mod websocket;
#[path = "../simulation/world.rs"]
pub mod world;
