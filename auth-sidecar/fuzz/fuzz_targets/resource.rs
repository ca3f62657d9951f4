//! Nobody gets a resource server that is not configured, nor one more than was granted.
#![no_main]
#[path = "../configured.rs"]
mod configured;

use wicketgate_auth::oauth::params::Params;
use wicketgate_auth::oauth::resource::{narrowed, requested, requested_scope};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let params = Params::parse(body);
    let (config, client) = (configured::config(), configured::client());
    let resources = &config.resources;
    if let Ok(urls) = requested(&params, resources) {
        assert!(!urls.is_empty() && urls.iter().all(|url| resources.exactly(url).is_some()));
        if let Ok(scope) = requested_scope(&params, client, &urls, resources) {
            assert!(scope.is_subset_of(&configured::all_scopes()));
        }
    }
    let granted = ["https://mcp.example/mcp".to_owned(), "https://gone.example/mcp".to_owned()];
    if let Ok(urls) = narrowed(&params, &granted, resources, config.issuer.as_str()) {
        assert!(!urls.is_empty() && urls.iter().all(|url| granted.contains(url)));
        assert!(urls.iter().all(|url| resources.exactly(url).is_some()), "what is gone is nobody's");
    }
});
