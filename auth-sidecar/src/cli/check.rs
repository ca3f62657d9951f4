//! `check`: would this configuration be served, and where?

use serde_json::json;

use super::output::print;
use super::{Asked, Outcome, load};

pub(super) fn check(asked: &Asked) -> Outcome {
    let config = load(&asked.config)?;
    let listen = &config.listen;
    let tls: Vec<_> =
        listen.all().into_iter().filter(|(_, one)| one.tls.is_some()).map(|(name, _)| name).collect();
    let shown = json!({
        "issuer": config.issuer.as_str(),
        "listen": {
            "public": listen.public.address, "internal": listen.internal.address,
            "admin": listen.admin.address, "metrics": listen.metrics.address,
        },
        "tls": tls,
    });
    if asked.json {
        return print(&shown.to_string());
    }
    print(&format!(
        "ok\nissuer    {}\npublic    {}\ninternal  {}\nadmin     {}\nmetrics   {}",
        config.issuer.as_str(),
        listen.public,
        listen.internal,
        listen.admin,
        listen.metrics
    ))
}
