//! What does the gateway answer to bytes that no HTTP library would send?

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::Context as _;
use crate::{Failure, Result};

/// Sends the bytes to 127.0.0.1:`port` and reads until the peer closes or is silent for `quiet`. A request that should
/// be answered and closed asks for it with `Connection: close`.
///
/// # Errors
/// No connection.
pub async fn exchange(port: u16, bytes: &[u8], quiet: Duration) -> Result<Vec<u8>> {
    let mut stream =
        TcpStream::connect(("127.0.0.1", port)).await.context(|| format!("no connection to port {port}"))?;
    // The peer may refuse half-way and close: what it said counts, not that it stopped listening.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = vec![0_u8; 16 * 1024];
    while let Ok(Ok(count @ 1..)) = timeout(quiet, stream.read(&mut buffer)).await {
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    Ok(answer)
}

/// The status code of a raw HTTP/1 answer.
///
/// # Errors
/// It is not one.
pub fn status(answer: &[u8]) -> Result<u16> {
    let head = String::from_utf8_lossy(answer.get(..64.min(answer.len())).unwrap_or_default()).into_owned();
    let code = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    code.ok_or_else(|| Failure::new(format!("not an HTTP/1.1 answer: {head:?}")))
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn the_status_of_an_answer_is_read() {
        assert_eq!(status(b"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n").unwrap(), 431);
        assert!(status(b"").is_err());
        assert!(status(b"SSH-2.0").is_err());
    }
}
