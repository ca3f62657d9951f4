//! Which port is free? All of them on loopback.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use crate::{Failure, Result};

/// Below the range from which Linux takes ports for outgoing connections, so that none of those gets in the way.
const FIRST: u16 = 12_000;
/// Each process takes ports from a lane of its own: between the look at a port and the program that listens there lie
/// seconds, in which nobody else may have been given the same one.
const LANES: u16 = 20;
const PORTS: u16 = 1000;

/// The lane of this process, which is its own as long as the file is open.
static LANE: OnceLock<(u16, Option<File>)> = OnceLock::new();
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on now, and that this process has not been given before.
///
/// # Errors
/// No free port in the whole lane.
pub fn free() -> Result<u16> {
    let (lane, _) = LANE.get_or_init(lane);
    let first = FIRST + lane * PORTS;
    for _ in 0..PORTS {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        if is_free(port) {
            return Ok(port);
        }
    }
    let last = first + PORTS - 1;
    Err(Failure::new(format!("no free port between {first} and {last}: stop something that listens there.")))
}

/// The first that no other process has; where none can be locked, or all are, one at random.
fn lane() -> (u16, Option<File>) {
    let directory = std::env::temp_dir().join("wicketgate-ports");
    // Where it cannot be made, no lane in it can be either.
    let _ = fs::create_dir_all(&directory);
    let locked = |lane: u16| {
        let file = File::options().create(true).append(true).open(directory.join(lane.to_string())).ok()?;
        file.try_lock().ok().map(|()| (lane, Some(file)))
    };
    (0..LANES).find_map(locked).unwrap_or_else(|| {
        let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
        (u16::try_from(random % u32::from(LANES)).unwrap_or(0), None)
    })
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

/// Whether one could listen there. The socket that finds out does not listen itself, and so is in nobody's way: a program that another
/// thread is just starting holds a copy of it for a moment.
fn is_free(port: u16) -> bool {
    look_at(port).is_ok()
}

/// A socket that has the address; for as long as nobody listens there.
fn look_at(port: u16) -> std::result::Result<OwnedFd, Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{free, free_or, look_at, require_free};

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
        // Whoever looked still has the socket, as a program has it that is just being started.
        let looked = look_at(port).unwrap();
        assert!(require_free(port).is_ok());
        assert_eq!(free_or(port).unwrap(), port);
        TcpListener::bind(("127.0.0.1", port)).unwrap();
        drop(looked);
    }
}
