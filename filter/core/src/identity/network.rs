//! Does a request come from an address that may ask? Networks as CIDR blocks (RFC 4632 section 3.1, RFC 4291 section 2.3).
//!
//! The address is the one that the host vouches for; nothing here reads a header.

use std::net::IpAddr;

use crate::denial::Denial;

/// A block of addresses, in one normal form: an IPv4 address that is written as an IPv6 one (`::ffff:10.0.0.1`) is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// From where a server may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// Only from these; empty for everywhere.
    pub allow: Vec<Network>,
    /// Not from these, whatever `allow` says.
    pub deny: Vec<Network>,
}

/// The address that the host names, in normal form; `None` where it names none, or none that is an IP address.
pub fn address_of(source: Option<&str>) -> Option<IpAddr> {
    // A zone (RFC 4007 section 11) says by which of our own interfaces it came.
    let text = source?.split('%').next()?;
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Who can change his address at will has those of one site: of IPv6 the /64 network that a site is given, of IPv4 the
/// address. Empty where the host names none; what is no IP address stands for itself.
pub fn site_of(source: Option<&str>) -> String {
    match address_of(source) {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Some(address) => address.to_string(),
        None => source.unwrap_or_default().to_owned(),
    }
}

// === impl Network ===

impl Network {
    /// A block (`10.0.0.0/8`, `2001:db8::/32`), or one address.
    ///
    /// # Errors
    /// What is wrong, and what was probably meant.
    pub fn parse(text: &str) -> Result<Self, (&'static str, Option<String>)> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let plain = |what| Err((what, None));
        let Ok(address) = address.parse::<IpAddr>() else {
            return plain("is no address and no block of addresses such as 10.0.0.0/8 or 2001:db8::/32");
        };
        let whole = if address.is_ipv4() { 32 } else { 128 };
        if address.to_canonical() != address {
            let four = length.and_then(|l| l.parse::<u8>().ok()?.checked_sub(96));
            let block = four.map_or(String::new(), |bits| format!("/{bits}"));
            let meant =
                (length.is_none() || four.is_some()).then(|| format!("{}{block}", address.to_canonical()));
            return Err(("is an IPv4 address in the form of IPv6; such are compared as IPv4", meant));
        }
        let bits = match length {
            None => whole,
            Some(digits) => match digits.parse::<u8>() {
                Ok(bits) if bits <= whole && digits.len() == bits.to_string().len() => bits,
                _ => return plain("has no number of bits behind `/`: up to 32, of IPv6 up to 128"),
            },
        };
        let first = cut(address, bits);
        if first != address {
            return Err(("does not begin at the beginning of its block", Some(format!("{first}/{bits}"))));
        }
        Ok(Self { first, bits })
    }

    /// Whether `address`, in normal form, lies within.
    pub fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && cut(address, self.bits) == self.first
    }
}

/// The address with all but its first bits zero.
fn cut(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V4((u32::from(four) & mask).into())
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V6((u128::from(six) & mask).into())
        }
    }
}

// === impl Networks ===

impl Networks {
    /// Lets a request pass that comes from where it may. Without lists from everywhere; with one, an address that cannot be
    /// read is refused: it may be one that is denied.
    ///
    /// # Errors
    /// [`Denial::AddressRefused`].
    pub fn admit(&self, source: Option<&str>) -> Result<(), Denial> {
        if self.allow.is_empty() && self.deny.is_empty() {
            return Ok(());
        }
        let address = address_of(source).ok_or(Denial::AddressRefused)?;
        let within = |networks: &[Network]| networks.iter().any(|network| network.holds(address));
        let refused = within(&self.deny) || !(self.allow.is_empty() || within(&self.allow));
        if refused { Err(Denial::AddressRefused) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, Networks, address_of, site_of};

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| Network::parse(text).unwrap()).collect()
    }

    /// Allowed, denied, the source as the host names it, and whether it may ask.
    type Case = (&'static [&'static str], &'static [&'static str], Option<&'static str>, bool);
    const CASES: &[Case] = &[
        (&[], &[], None, true),
        (&[], &[], Some("@/a/socket"), true),
        (&["10.0.0.0/8"], &[], Some("10.255.0.1"), true),
        (&["10.0.0.0/8"], &[], Some("11.0.0.1"), false),
        (&["10.0.0.0/8"], &[], Some("::ffff:10.0.0.1"), true),
        (&["10.0.0.0/8"], &[], Some("::ffff:b00:1"), false),
        (&["10.0.0.0/8"], &[], Some("a00::1"), false),
        (&["10.0.0.0/8"], &[], None, false),
        (&["10.0.0.0/8"], &[], Some("@/a/socket"), false),
        (&[], &["10.0.0.9"], Some("10.0.0.9"), false),
        (&[], &["10.0.0.9"], Some("::ffff:10.0.0.9"), false),
        (&[], &["10.0.0.9"], Some("10.0.0.8"), true),
        (&[], &["10.0.0.9"], None, false),
        (&["10.0.0.0/8"], &["10.9.0.0/16"], Some("10.9.0.1"), false),
        (&["10.0.0.0/8"], &["10.9.0.0/16"], Some("10.8.0.1"), true),
        (&["2001:db8::/32"], &[], Some("2001:db8:1::1"), true),
        (&["2001:db8::/32"], &[], Some("2001:db9::1"), false),
        (&["fe80::/10"], &[], Some("fe80::1%eth0"), true),
        (&["0.0.0.0/0"], &[], Some("192.0.2.1"), true),
        (&["0.0.0.0/0"], &[], Some("2001:db8::1"), false),
        (&["::/0"], &[], Some("192.0.2.1"), false),
        (&["192.0.2.1/32"], &[], Some("192.0.2.1"), true),
    ];

    #[test]
    fn an_address_may_ask_from_where_the_lists_say() {
        for (allow, deny, source, passes) in CASES {
            let lists = Networks { allow: networks(allow), deny: networks(deny) };
            assert_eq!(lists.admit(*source).is_ok(), *passes, "{allow:?} {deny:?} {source:?}");
        }
    }

    #[test]
    fn what_could_mean_two_blocks_is_none() {
        for (text, meant) in [
            ("10.0.0.1/8", Some("10.0.0.0/8")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("::ffff:10.0.0.0/104", Some("10.0.0.0/8")),
            ("::ffff:10.0.0.0/8", None),
            ("10.0.0.0/33", None),
            ("10.0.0.0/08", None),
            ("10.0.0.0/", None),
            ("10.0.0.0/8/8", None),
            ("010.0.0.1", None),
            ("10.0.0", None),
            ("example.com", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(Network::parse(text).unwrap_err().1.as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn one_address_has_one_form() {
        assert_eq!(address_of(Some("::ffff:1.2.3.4")), address_of(Some("1.2.3.4")));
        assert_eq!(address_of(Some("fe80::1%2")), address_of(Some("fe80::1")));
        assert_eq!(address_of(Some("1.2.3.4:80")), None);
        assert_eq!(site_of(Some("2001:db8:1:2::1")), site_of(Some("2001:db8:1:2:f::9")));
        assert_ne!(site_of(Some("2001:db8:1:2::1")), site_of(Some("2001:db8:1:3::1")));
        assert_ne!(site_of(Some("1.2.3.4")), site_of(Some("1.2.3.5")));
    }
}
