//! Does a listener in TLS answer whom it should? Asked as a gateway does: one authority, one name, whatever the address is called.

use std::error::Error;
use std::time::Duration;

use reqwest::{Certificate, Client, StatusCode, Url, redirect};
use serde_json::{Value, json};

const LONGEST: Duration = Duration::from_secs(5);

/// Asks each URL; the first that does not answer 200 says why. `name` is what the certificate must be called, where it is not the URL's host.
pub(super) async fn ask(urls: &[Url], pem: &[u8], name: Option<&str>) -> Result<Value, String> {
    let roots = Certificate::from_pem_bundle(pem).map_err(|error| format!("--ca: {}", whole(&error)))?;
    if roots.is_empty() {
        return Err("--ca: holds no PEM certificate".to_owned());
    }
    for url in urls {
        let status = ask_one(url, &roots, name).await.map_err(|why| format!("{url}: {why}"))?;
        if status != StatusCode::OK {
            return Err(format!("{url}: {}, not 200", status.as_u16()));
        }
    }
    Ok(json!({ "status": "ready" }))
}

async fn ask_one(url: &Url, roots: &[Certificate], name: Option<&str>) -> Result<StatusCode, String> {
    let host = url.host_str().filter(|_| url.scheme() == "https").ok_or("not a URL of https")?;
    let port = url.port_or_known_default().unwrap_or_default();
    let name = name.unwrap_or(host);
    let place = host.trim_matches(['[', ']']);
    let found = tokio::net::lookup_host((place, port)).await.map_err(|error| error.to_string())?;
    let mut asked = url.clone();
    asked.set_host(Some(name)).map_err(|error| format!("--name: {error}"))?;
    let client = Client::builder()
        .tls_certs_only(roots.iter().cloned())
        .resolve_to_addrs(name, &found.collect::<Vec<_>>())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(LONGEST)
        .build()
        .map_err(|error| whole(&error))?;
    client.get(asked).send().await.map(|answer| answer.status()).map_err(|error| whole(&error.without_url()))
}

/// With what it comes from: the outermost says only that something was asked.
fn whole(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    said
}
