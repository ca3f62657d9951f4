//! The real server on ports of the system's choice with a fresh store, asked over real HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what these tests stand on fails by panicking, like the tests themselves"
)]

mod account;
mod admin;
mod api_keys;
mod at_rest;
mod audit;
mod authorization_code_flow;
mod bounds;
mod browser_pages;
mod client_configuration;
mod client_credentials;
mod described;
mod device_flow;
mod dpop;
mod end_session;
mod enterprise_authorization;
mod enterprise_lies;
mod external_issuers;
mod external_shapes;
mod fetching;
mod github_login;
mod grant_limit;
mod introspection;
mod keys;
mod known_clients;
mod leases;
mod listener_tls;
mod logout;
mod logs;
mod mcp_servers;
mod metadata_documents;
mod metadata_golden;
mod metrics;
mod narrowing;
mod oidc_lies;
mod oidc_login;
mod once_only;
mod opaque_tokens;
mod openapi;
mod openid_connect;
mod private_key_jwt;
mod published_clients;
mod pushed_requests;
#[path = "../redis/mod.rs"]
mod redis;
mod refusals;
mod registration;
mod reloading;
mod revocation_feed;
mod schemathesis;
mod secret_guesses;
mod signed_in_elsewhere;
mod status;
mod token_exchange;
mod upstream_credentials;
mod upstream_safety;
mod userinfo;
mod verify;
mod world;
