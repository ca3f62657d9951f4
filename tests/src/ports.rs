//! Which port is free? All of them on loopback.

use std::net::{Ipv4Addr, TcpListener};

use crate::{Failure, Result};

/// Below the range from which Linux takes ports for outgoing connections, so that none of those gets in the way.
const FIRST: u16 = 12_000;
const LAST: u16 = 31_999;

/// A port that nobody listens on now. It is taken at random, so that worlds that start at the same time differ.
///
/// # Errors
/// No free port in a hundred tries.
pub fn free() -> Result<u16> {
    for _ in 0..100 {
        let random = getrandom::u32().map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
        let offset = u16::try_from(random % u32::from(LAST - FIRST)).unwrap_or(0);
        if is_free(FIRST + offset) {
            return Ok(FIRST + offset);
        }
    }
    Err(Failure::new(format!("no free port between {FIRST} and {LAST}: stop something that listens there.")))
}

/// `preferred` when nobody listens on it, else any free port.
///
/// # Errors
/// As [`free`].
pub fn free_or(preferred: u16) -> Result<u16> {
    if is_free(preferred) { Ok(preferred) } else { free() }
}

/// Demands that nobody listens on this port. Envoy alone would not notice another Envoy there: it shares the port.
///
/// # Errors
/// A sentence that says so.
pub fn require_free(port: u16) -> Result<()> {
    if is_free(port) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "port {port} on 127.0.0.1 is in use: stop what listens there, or choose another one, as in `make run PORT={}`.",
        port.checked_add(1).unwrap_or(8080),
    )))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{free, free_or, require_free};

    #[test]
    fn a_port_in_use_is_refused_with_a_way_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = require_free(port).unwrap_err().to_string();
        assert!(refused.contains(&format!("port {port} on 127.0.0.1 is in use")), "{refused}");
        assert!(refused.contains("make run PORT="), "{refused}");
        assert_ne!(free_or(port).unwrap(), port);
    }

    #[test]
    fn a_free_port_can_be_had() {
        let port = free().unwrap();
        assert!(require_free(port).is_ok());
        assert_eq!(free_or(port).unwrap(), port);
    }
}
