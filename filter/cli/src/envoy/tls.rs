//! How is TLS spoken, towards clients and towards servers?

use super::secrets::Secrets;
use super::template::{fill, scalar};
use crate::outcome::Unusable;
use wicketgate_core::config::edge::{ListenTls, ServerTls};

const QUIC: &str = "type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

/// The `transport_socket` of the public listener; over UDP where `quic`.
pub(super) fn downstream(tls: &ListenTls, quic: bool, secrets: &mut Secrets) -> Result<String, Unusable> {
    let mut certificates = String::new();
    for (at, one) in tls.certificates.iter().enumerate() {
        let from = secrets.certificate(&format!("certificate_{at}"), &one.chain, &one.key)?;
        certificates.push_str(&format!("- {from}\n"));
    }
    let mut checked = String::new();
    if let Some(clients) = &tls.clients {
        let from = secrets.roots("clients", &clients.roots, clients.revoked.as_deref())?;
        checked = validation(&clients.names, &from)?;
    }
    let context = fill(
        include_str!("parts/listen_tls_context.yaml"),
        &[
            ("clients", if tls.clients.is_some() { "true" } else { "false" }),
            ("minimum", if tls.only_13 { "TLSv1_3" } else { "TLSv1_2" }),
            ("alpn", if quic { "[h3]" } else { "[h2, http/1.1]" }),
            ("certificates", &certificates),
            ("validation", &checked),
        ],
    )?;
    let (socket, kind) =
        if quic { ("envoy.transport_sockets.quic", QUIC) } else { ("envoy.transport_sockets.tls", TLS) };
    let context = if quic {
        // What is sent before the handshake is over can be sent again by anybody who saw it.
        format!(
            "enable_early_data: false\ndownstream_tls_context:\n{}",
            super::template::indented(&context, 2)
        )
    } else {
        context
    };
    fill(
        include_str!("parts/listen_tls.yaml"),
        &[("socket", socket), ("socket_type", kind), ("context", &context)],
    )
}

/// The `transport_socket` towards a server; `name` is that of its cluster. Nothing where it is met in plain.
pub(super) fn upstream(
    tls: Option<&ServerTls>,
    name: &str,
    secrets: &mut Secrets,
) -> Result<String, Unusable> {
    let Some(tls) = tls else { return Ok(String::new()) };
    let from = secrets.roots(&format!("{name}_roots"), &tls.roots, tls.revoked.as_deref())?;
    let sni = tls.server_name.as_ref().map_or_else(String::new, |name| format!("sni: {}", scalar(name)));
    let own = match &tls.own {
        Some((chain, key)) => {
            let from = secrets.certificate(&format!("{name}_own"), chain, key)?;
            format!("tls_certificate_sds_secret_configs:\n  - {from}\n")
        }
        None => String::new(),
    };
    fill(
        include_str!("parts/server_tls.yaml"),
        &[("sni", &sni), ("own", &own), ("validation", &validation(&tls.names, &from)?)],
    )
}

fn validation(names: &[String], from: &str) -> Result<String, Unusable> {
    let mut wanted = String::from(if names.is_empty() {
        // Whoever leads to the roots may come; Envoy wants that said.
        "default_validation_context: {}\n"
    } else {
        "default_validation_context:\n  match_typed_subject_alt_names:\n"
    });
    for name in names {
        let kind = match name {
            uri if uri.contains("://") => "URI",
            address if address.parse::<std::net::IpAddr>().is_ok() => "IP_ADDRESS",
            _ => "DNS",
        };
        // `*.` in a configured name stands for one label; in the certificate Envoy reads it so anyway.
        let matcher = match name.strip_prefix("*.").filter(|_| kind == "DNS") {
            Some(below) => {
                let below = scalar(&format!("[^.]+\\.{}", below.replace('.', "\\.")));
                format!("{{safe_regex: {{regex: {below}}}}}")
            }
            None => format!("{{exact: {}}}", scalar(name)),
        };
        wanted.push_str(&format!("    - {{san_type: {kind}, matcher: {matcher}}}\n"));
    }
    fill(include_str!("parts/validation.yaml"), &[("names", &wanted), ("secret", from)])
}
