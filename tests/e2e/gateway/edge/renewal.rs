//! Does what an ACME client hands over arrive? `envoy/certificates/install.sh` checks a pair and puts both files in place in one
//! step, and Envoy shows the new certificate without a restart; a pair that is none changes nothing.

use std::path::Path;
use std::process::{Command, Output};

use tokio_rustls::rustls::version::{TLS12, TLS13};
use wicketgate_e2e::layout;

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::authority::{Authority, Pair, Said, of};
use super::stage::{Drawn, Edge};
use super::tls::{anywhere, meet, place};

fn install(folder: &Path, arguments: &[&Path], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(layout::root().join("envoy/certificates/install.sh"));
    for name in ["RENEWED_LINEAGE", "LEGO_CERT_PATH", "LEGO_CERT_KEY_PATH", "WICKETGATE_HOSTS"] {
        command.env_remove(name);
    }
    command.arg(folder).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn installed(folder: &Path, pair: &Pair) {
    let output = install(folder, &[&pair.chain, &pair.key], &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_acme_client_hands_over_is_checked_and_shown() {
    let upstream = Recorder::echo().await;
    let (state, ports) = place("renewal");
    let authority = Authority::new(state.join("tls"), "ca");
    let folder = state.join("live");
    std::fs::create_dir(&folder).unwrap();
    let first = authority.vouch("first", of(&["a.example"]));
    installed(&folder, &first);

    let mut drawn = Drawn::of(&anywhere("notes", upstream.upstream.port, ""));
    let file = |name: &str| format!("\"{}\"", folder.join(name).display());
    drawn.listen =
        format!(", tls: {{certificates: [{{chain: {}, key: {}}}]}}", file("chain.pem"), file("key.pem"));
    let edge = Edge::start_in(state, ports, &drawn).await;
    let client = authority.client(None, &[&TLS12, &TLS13], &["http/1.1"]);
    let shown = async || meet(edge.port, &client, "a.example").await.map(|met| met.certificate);
    assert_eq!(shown().await.unwrap(), first.certificates()[0]);

    // One after the other: each as another client hands it over.
    let second = authority.vouch("second", Said { serial: 8, ..of(&["a.example"]) });
    let third = authority.vouch("third", Said { serial: 9, ..of(&["a.example"]) });
    let lineage = authority.roots().parent().unwrap().join("lineage");
    std::fs::create_dir(&lineage).unwrap();
    std::fs::copy(&second.chain, lineage.join("fullchain.pem")).unwrap();
    std::fs::copy(&second.key, lineage.join("privkey.pem")).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (lineage, chain, key) = (text(&lineage), text(&third.chain), text(&third.key));
    let certbot = vec![("RENEWED_LINEAGE", lineage.as_str()), ("WICKETGATE_HOSTS", "a.example")];
    let lego = vec![("LEGO_CERT_PATH", chain.as_str()), ("LEGO_CERT_KEY_PATH", key.as_str())];
    for (who, variables, pair) in [("certbot", certbot, &second), ("lego", lego, &third)] {
        let output = install(&folder, &[], &variables);
        assert!(output.status.success(), "{who}: {}", String::from_utf8_lossy(&output.stderr));
        eventually("the new certificate is shown", DEADLINE, || async {
            let now = shown().await?;
            if now == pair.certificates()[0] { Ok(()) } else { Err(format!("{who}: the old one")) }
        })
        .await;
    }
    assert_eq!(edge.stat("sds.certificate_0.key_rotation_failed").await, 0, "never half a pair");

    // What is no pair changes nothing.
    let old = authority.vouch("old", Said { expired: true, ..of(&["a.example"]) });
    let other = authority.vouch("other", of(&["b.example"]));
    let before = std::fs::read_link(folder.join("current")).unwrap();
    let missing = authority.roots().with_file_name("missing");
    for (what, chain, key, hosts, words) in [
        ("of another key", &third.chain, &second.key, "", "is not the key of"),
        ("expired", &old.chain, &old.key, "", "is expired"),
        ("of another name", &other.chain, &other.key, "a.example", "is not for a.example"),
        ("no certificate", &third.key, &third.key, "", "holds no certificate"),
        ("no key", &third.chain, &third.chain, "", "holds no key"),
        ("nothing", &missing, &third.key, "", "cannot be read"),
    ] {
        let output = install(&folder, &[chain, key], &[("WICKETGATE_HOSTS", hosts)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(words), "{what}: {said}");
        assert_eq!(std::fs::read_link(folder.join("current")).unwrap(), before, "{what}");
    }
    let left = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(left, 4, "chain, key, the link and the one pair");
    assert_eq!(shown().await.unwrap(), third.certificates()[0]);
    edge.discard().await;
}
