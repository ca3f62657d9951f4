//! May we connect there? Public unicast addresses only: a URL that a stranger chose must not reach our own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Special-purpose networks (RFC 6890 and its registry), and what clouds put into public space for their guests.
const REFUSED_V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
    // The metadata service of Azure.
    ([168, 63, 129, 16], 32),
];

/// Inside 2000::/3; everything outside of it is refused as a whole: loopback, mapped and translated IPv4 (`::ffff:`,
/// `64:ff9b::`), unique local, link-local, multicast.
const REFUSED_V6: [([u16; 2], u32); 4] = [
    // Protocol assignments, Teredo and ORCHID among them.
    ([0x2001, 0], 23),
    ([0x2001, 0xdb8], 32),
    // 6to4: holds an IPv4 address.
    ([0x2002, 0], 16),
    ([0x3fff, 0], 20),
];

/// Whether this is an address of the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|(net, bits)| {
            let net = Ipv4Addr::from_octets(*net).to_bits();
            (address.to_bits() ^ net).leading_zeros() >= *bits
        }),
        IpAddr::V6(address) => {
            let is_unicast = address.to_bits() >> 125 == 1;
            let refused = REFUSED_V6.iter().any(|([first, second], bits)| {
                let net = Ipv6Addr::new(*first, *second, 0, 0, 0, 0, 0, 0).to_bits();
                (address.to_bits() ^ net).leading_zeros() >= *bits
            });
            is_unicast && !refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_internet_is_reached_and_nothing_else() {
        for (address, wanted) in [
            ("1.1.1.1", true),
            ("8.8.8.8", true),
            ("100.63.255.255", true),
            ("100.128.0.1", true),
            ("172.15.0.1", true),
            ("172.32.0.1", true),
            ("168.63.129.17", true),
            ("2606:4700:4700::1111", true),
            ("2a00:1450::1", true),
            ("2001:4860:4860::8888", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("100.100.100.200", false),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("169.254.169.254", false),
            ("168.63.129.16", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.0.0.192", false),
            ("192.0.2.1", false),
            ("192.88.99.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("198.51.100.1", false),
            ("203.0.113.1", false),
            ("224.0.0.1", false),
            ("239.255.255.250", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", false),
            ("::ffff:0:127.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::808:808", false),
            ("64:ff9b:1::1", false),
            ("100::1", false),
            ("2001::1", false),
            ("2001:2::1", false),
            ("2001:10::1", false),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("2002:808:808::", false),
            ("3fff::1", false),
            ("5f00::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), wanted, "{address}");
        }
    }
}
