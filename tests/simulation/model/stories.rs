//! What a run was worth.

/// How often what happened, so that it can be seen that a run was worth its time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stories {
    pub messages: u64,
    pub repeated: u64,
    pub sent_again: u64,
    pub picked: u64,
    pub assigned: u64,
    pub transfers: u64,
    pub paused: u64,
    pub replaced: u64,
    pub timeouts: u64,
    pub refused: u64,
    pub behind: u64,
    pub caught_up: u64,
    pub unread_limits: u64,
    pub evicted: u64,
    pub desk_full: u64,
    pub restarts: u64,
    pub recaps: u64,
    pub ratings: u64,
}

impl Stories {
    pub fn add(&mut self, other: &Self) {
        let Self {
            messages,
            repeated,
            sent_again,
            picked,
            assigned,
            transfers,
            paused,
            replaced,
            timeouts,
            refused,
            behind,
            caught_up,
            unread_limits,
            evicted,
            desk_full,
            restarts,
            recaps,
            ratings,
        } = other;
        self.messages += messages;
        self.repeated += repeated;
        self.sent_again += sent_again;
        self.picked += picked;
        self.assigned += assigned;
        self.transfers += transfers;
        self.paused += paused;
        self.replaced += replaced;
        self.timeouts += timeouts;
        self.refused += refused;
        self.behind += behind;
        self.caught_up += caught_up;
        self.unread_limits += unread_limits;
        self.evicted += evicted;
        self.desk_full += desk_full;
        self.restarts += restarts;
        self.recaps += recaps;
        self.ratings += ratings;
    }
}
