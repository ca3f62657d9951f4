use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use tokio::io::duplex;
use tokio::sync::watch;

use super::super::handshake::{Handshakes, Met};
use crate::clock::{Clock, ManualClock, UnixTime};
use crate::config::Config;
use crate::metrics::Metrics;

/// The public listener of a configuration in TLS, and what is counted.
fn handshakes() -> (Handshakes, Arc<Metrics>) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    let (certificate, key) = (file("own.pem", &certificate.pem()), file("own.key", &key.serialize_pem()));
    let data_key = file("data.key", &crate::sealing::SealingKey::generate_base64().unwrap());
    let config = Config::parse(&format!(
        "issuer: http://127.0.0.1:1\nlisten: {{public: {{address: 127.0.0.1:0, tls: {{certificate: {certificate}, key: {key}}}}}, \
         internal: 127.0.0.1:0, admin: 127.0.0.1:0, metrics: 127.0.0.1:0}}\nstore: {{embedded: {{path: x}}}}\n\
         data_key: {{file: {data_key}}}\nresources: [{{url: 'http://127.0.0.1:1/mcp'}}]\n"
    ))
    .unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UnixTime(0)));
    let metrics = Arc::new(Metrics::new());
    (Handshakes::new("public", &config.listen.public, &clock, &metrics), metrics)
}

fn counted(metrics: &Metrics, outcome: &str) -> bool {
    let line = format!("tls_handshakes_total{{listener=\"public\",outcome=\"{outcome}\"}} 1\n");
    metrics.render().unwrap().contains(&line)
}

/// The clock of the runtime stands still but for what is waited for.
#[tokio::test(start_paused = true)]
async fn who_never_says_a_word_is_given_up() {
    let (handshakes, metrics) = handshakes();
    let (_silent, stream) = duplex(64);
    let (_stop, stopped) = watch::channel(false);
    let begun = tokio::time::Instant::now();
    assert!(handshakes.meet(stream, ([127, 0, 0, 1], 1).into(), stopped).await.is_none());
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert!(counted(&metrics, "timed_out"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_for_no_handshake() {
    let (handshakes, _) = handshakes();
    let (_silent, stream) = duplex(64);
    let (stop, stopped) = watch::channel(false);
    let begun = tokio::time::Instant::now();
    let (met, ()) = tokio::join!(handshakes.meet(stream, ([127, 0, 0, 1], 1).into(), stopped), async {
        stop.send_replace(true);
    });
    assert!(met.is_none() && begun.elapsed().is_zero());
}

#[tokio::test]
async fn plain_http_is_answered_by_nobody() {
    let (handshakes, metrics) = handshakes();
    let (mut client, stream) = duplex(64);
    let (_stop, stopped) = watch::channel(false);
    tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let met = handshakes.meet(stream, ([127, 0, 0, 1], 1).into(), stopped).await;
    assert!(!matches!(met, Some(Met::Clear(_) | Met::Tls(..))));
    assert!(counted(&metrics, "failed"));
}
