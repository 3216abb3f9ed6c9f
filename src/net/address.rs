//! Client addresses: how the limits count them, and which proxies are trusted to name them.
//!
//! Behind a proxy every socket has the proxy's address, and the client's stands in X-Forwarded-For. Anyone can send
//! that field, so it is read only as far as each address in it was appended by a trusted proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A client as the limits count it: an IPv4 address or an IPv6 /64, since a host with one address of a /64 usually has
/// all of them. Nine bytes, because each connection keeps one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientAddress {
    /// An IPv4 address, IPv4-mapped IPv6 (RFC 4291 2.5.5.2) included.
    V4([u8; 4]),
    /// The first 64 bits of an IPv6 address.
    V6([u8; 8]),
}

impl ClientAddress {
    /// 0.0.0.0, which no client has.
    pub(crate) const UNSPECIFIED: Self = Self::V4([0; 4]);
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// A range of addresses, such as 10.0.0.0/8 or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix_bits: u32,
}

impl Cidr {
    /// Parses a range or a single address. Bits behind the prefix are ignored.
    ///
    /// # Errors
    /// The text is neither; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr =
            address.parse().map_err(|_| "neither an IP address nor a CIDR range".to_owned())?;
        if address.to_canonical() != address {
            return Err("an IPv4-mapped address: write it as IPv4".into());
        }
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let prefix_bits = digits.parse().ok().filter(|prefix_bits| *prefix_bits <= bits);
                prefix_bits.ok_or_else(|| format!("the prefix has 0 to {bits} bits"))?
            }
            Some(_) => return Err("the prefix is a number of bits".into()),
        };
        Ok(Self { address, prefix_bits })
    }

    /// Returns whether the address is in the range. IPv4-mapped IPv6 counts as IPv4.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                same_prefix(range.to_bits().into(), address.to_bits().into(), 32 - self.prefix_bits)
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => {
                same_prefix(range.to_bits(), address.to_bits(), 128 - self.prefix_bits)
            }
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, host_bits: u32) -> bool {
    (a ^ b).checked_shr(host_bits).unwrap_or(0) == 0
}

/// Where a client's address was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressSource {
    /// The socket; the request has no X-Forwarded-For.
    Socket,
    /// The X-Forwarded-For of a trusted proxy.
    Forwarded,
    /// The socket; the request has an X-Forwarded-For, but not from a trusted proxy.
    Untrusted,
}

impl AddressSource {
    /// All sources, in the order of their discriminants.
    pub(crate) const ALL: [Self; 3] = [Self::Socket, Self::Forwarded, Self::Untrusted];

    /// Returns the value of the metric's label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Forwarded => "forwarded",
            Self::Untrusted => "untrusted",
        }
    }
}

/// The proxies whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug)]
pub struct TrustedProxies(Vec<Cidr>);

impl Default for TrustedProxies {
    /// This machine: 127.0.0.0/8 and `::1`.
    fn default() -> Self {
        Self(vec![
            Cidr { address: Ipv4Addr::LOCALHOST.into(), prefix_bits: 8 },
            Cidr { address: Ipv6Addr::LOCALHOST.into(), prefix_bits: 128 },
        ])
    }
}

impl FromIterator<Cidr> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = Cidr>>(ranges: I) -> Self {
        Self(ranges.into_iter().collect())
    }
}

impl TrustedProxies {
    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// Returns the address of the client whose socket has the address `socket`. `forwarded_for` holds the values of all
    /// X-Forwarded-For fields, in order.
    ///
    /// Each proxy appends the address of its own peer. So the list is read from the end, and only while the address
    /// found so far is a trusted proxy's: the client may have made up everything to the left.
    pub(crate) fn client_of(&self, socket: IpAddr, forwarded_for: &[&[u8]]) -> IpAddr {
        let mut client = socket.to_canonical();
        // RFC 9110 5.3: several fields of a name are one list.
        let mut elements = forwarded_for
            .iter()
            .rev()
            .flat_map(|field| field.rsplit(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty());
        while self.contains(client)
            && let Some(named) = elements.next().and_then(parse_element)
        {
            client = named;
        }
        client
    }

    /// Returns where `client_of` finds the client's address.
    pub(crate) fn source(&self, socket: IpAddr, forwarded_for: &[&[u8]]) -> AddressSource {
        match (forwarded_for.is_empty(), self.contains(socket)) {
            (true, _) => AddressSource::Socket,
            (false, true) => AddressSource::Forwarded,
            (false, false) => AddressSource::Untrusted,
        }
    }

    /// Returns the address that a connection is counted under. `None` for clients on this machine (a loopback address,
    /// and no proxy has named another) and for requests of a trusted proxy itself, such as health checks.
    pub(crate) fn counted_address(&self, socket: IpAddr, forwarded_for: &[&[u8]]) -> Option<ClientAddress> {
        let is_own_machine = socket.to_canonical().is_loopback() && forwarded_for.is_empty();
        let client = self.client_of(socket, forwarded_for);
        (!is_own_machine && !self.contains(client)).then(|| client.into())
    }
}

/// Parses an element of X-Forwarded-For: an address, with a port if the proxy adds one.
fn parse_element(element: &[u8]) -> Option<IpAddr> {
    let element = std::str::from_utf8(element).ok()?;
    let without_port = match element.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?.0,
        None => match element.split_once(':') {
            Some((address, port)) if !port.contains(':') => address,
            _ => element,
        },
    };
    without_port.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_prefix_of_64_bits() {
        let client = |text| ClientAddress::from(ip(text));
        assert_eq!(client("192.0.2.1"), client("::ffff:192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("2001:db8:0:1::1"), client("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert_ne!(client("2001:db8:0:1::1"), client("2001:db8:0:2::1"));
        assert_ne!(client("::1"), client("0.0.0.0"));
        assert_eq!(size_of::<Option<ClientAddress>>(), 9, "each connection keeps one");
    }

    #[test]
    fn a_range_contains_what_begins_with_its_prefix() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.0"), // bits behind the prefix
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7/32", "::ffff:192.0.2.7", "192.0.2.6"),
            ("192.0.2.0/31", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            ("::/0", "ffff::", "::ffff:127.0.0.1"),
            ("::1/128", "::1", "::2"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ] {
            let range = Cidr::parse(range).unwrap();
            assert!(range.contains(ip(inside)), "{inside} in {range:?}");
            assert!(!range.contains(ip(outside)), "{outside} not in {range:?}");
        }
    }

    #[test]
    fn anything_but_a_range_is_refused() {
        for bad in [
            "",
            "/",
            "/8",
            "localhost",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "10.0.0.0/255.0.0.0",
            "::/129",
            "[::1]",
            "::ffff:10.0.0.0/104",
            "10.0.0.0/99999999999",
            "10.0.0.0 /8",
            "fe80::1%eth0",
        ] {
            assert!(Cidr::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_trusted_proxy() {
        let trusted: TrustedProxies = ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"]
            .map(|range| Cidr::parse(range).unwrap())
            .into_iter()
            .collect();
        for (socket, fields, client) in [
            // The socket's address is not trusted, so its X-Forwarded-For is ignored.
            ("192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("192.0.2.1", &[], "192.0.2.1"),
            ("::ffff:192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            // One proxy, several proxies, and addresses that the client itself put in front.
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.7"], "198.51.100.1"),
            ("127.0.0.1", &["1.1.1.1,198.51.100.1 ,\t10.0.0.7"], "198.51.100.1"),
            ("127.0.0.1", &["10.0.0.1, 198.51.100.1, 10.0.0.7"], "198.51.100.1"),
            // Several fields are one list.
            ("127.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.1.1.1, 198.51.100.1", "10.0.0.7"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1", "", ",,"], "198.51.100.1"),
            // All addresses are trusted: the first one counts.
            ("127.0.0.1", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            // With ports, in brackets.
            ("127.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("127.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", &["[2001:db8::1]:4711, [fd00::1]:80"], "2001:db8::1"),
            ("127.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            // An element that is not an address ends the list: the last good one counts, or the socket's.
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1, unknown, 10.0.0.7"], "10.0.0.7"),
            ("127.0.0.1", &["198.51.100.1, _hidden, 10.0.0.7"], "10.0.0.7"),
            ("127.0.0.1", &["198.51.100.1, [::1, 10.0.0.7"], "10.0.0.7"),
            ("127.0.0.1", &["198.51.100.1, 10.0.0.7 10.0.0.8"], "127.0.0.1"),
            ("127.0.0.1", &["unknown, 198.51.100.1"], "198.51.100.1"),
        ] {
            let raw: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
            assert_eq!(trusted.client_of(ip(socket), &raw), ip(client), "{socket} with {fields:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_do_not_hide_what_the_proxy_has_appended() {
        let trusted = TrustedProxies::default();
        let client = trusted.client_of(ip("127.0.0.1"), &[b"\xff\xfe, 198.51.100.1"]);
        assert_eq!(client, ip("198.51.100.1"));
    }

    #[test]
    fn this_machine_and_a_trusted_proxy_itself_are_not_counted() {
        let default = TrustedProxies::default();
        let none: TrustedProxies = [].into_iter().collect();
        let remote = TrustedProxies::from_iter([Cidr::parse("10.0.0.0/8").unwrap()]);
        let named: &[&[u8]] = &[b"198.51.100.1"];
        for (trusted, socket, fields, counted) in [
            (&default, "127.0.0.1", &[][..], None),
            (&default, "::1", &[], None),
            (&default, "127.0.0.1", named, Some("198.51.100.1")),
            (&default, "192.0.2.1", &[], Some("192.0.2.1")),
            (&none, "127.0.0.1", &[], None),
            // This socket names another address, so it is a proxy, but not a trusted one.
            (&none, "127.0.0.2", named, Some("127.0.0.2")),
            (&remote, "10.0.0.1", &[], None),
            (&remote, "10.0.0.1", named, Some("198.51.100.1")),
        ] {
            let counted = counted.map(|address| ip(address).into());
            assert_eq!(
                trusted.counted_address(ip(socket), fields),
                counted,
                "{socket} {fields:?} {trusted:?}"
            );
        }
    }
}
