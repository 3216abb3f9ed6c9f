//! The addresses of the host of Redis.

use std::io;
use std::net::SocketAddr;

use crate::config::{Millis, REDIS_LOOKUP_MS};

/// The addresses of one host, which are tried in turn.
#[derive(Debug)]
pub(super) struct Addresses {
    found: Vec<SocketAddr>,
    tries: usize,
    /// When the name may be looked up again. `None` before the first attempt to connect.
    lookup_at: Option<Millis>,
}

impl Addresses {
    /// Looks up the host.
    ///
    /// # Errors
    /// There is no such host.
    pub(super) fn look_up<I: Iterator<Item = SocketAddr>>(
        lookup: impl FnOnce() -> io::Result<I>,
    ) -> io::Result<Self> {
        let found: Vec<_> = lookup()?.collect();
        if found.is_empty() {
            return Err(io::Error::other("this host has no address"));
        }
        Ok(Self { found, tries: 0, lookup_at: None })
    }

    /// Looks up the host again if the last time was long ago. If that fails, the addresses stay as they are. The lookup
    /// blocks until the resolver answers, so that this must be called only while no client is connected.
    pub(super) fn refresh<I: Iterator<Item = SocketAddr>>(
        &mut self,
        now: Millis,
        lookup: impl FnOnce() -> io::Result<I>,
    ) {
        if self.lookup_at.is_some_and(|at| at <= now) {
            self.lookup_at = Some(now + REDIS_LOOKUP_MS);
            if let Ok(found) = Self::look_up(lookup) {
                self.found = found.found;
            }
        }
    }

    /// Returns the address to try next.
    pub(super) fn next(&mut self, now: Millis) -> SocketAddr {
        self.lookup_at.get_or_insert(now + REDIS_LOOKUP_MS);
        let address = self.found[self.tries % self.found.len()];
        self.tries += 1;
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> SocketAddr {
        ([127, 0, 0, last], 6379).into()
    }

    #[test]
    fn a_host_that_has_moved_is_found_at_its_new_address() {
        let found = |of: &'static [u8]| move || Ok(of.iter().map(|last| at(*last)));
        assert!(Addresses::look_up(found(&[])).is_err());
        let mut addresses = Addresses::look_up(found(&[1, 2])).unwrap();
        addresses.refresh(0, || -> io::Result<std::iter::Empty<SocketAddr>> { panic!("just looked up") });
        assert_eq!([0, 1, 2].map(|now| addresses.next(now)), [at(1), at(2), at(1)]);

        addresses.refresh(REDIS_LOOKUP_MS - 1, found(&[3]));
        assert_eq!(addresses.next(0), at(2), "too early");
        addresses.refresh(REDIS_LOOKUP_MS, || -> io::Result<std::iter::Empty<SocketAddr>> {
            Err(io::Error::other("no resolver"))
        });
        addresses.refresh(2 * REDIS_LOOKUP_MS - 1, found(&[3]));
        assert_eq!(addresses.next(0), at(1), "what was known before the lookup failed");
        addresses.refresh(2 * REDIS_LOOKUP_MS, found(&[3]));
        assert_eq!(addresses.next(0), at(3));
    }
}
