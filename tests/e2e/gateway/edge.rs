//! Does Envoy do what `wicketgate render envoy` draws? The edge of the gateway, with real Envoys before servers of the test.

mod authority;
mod bounds;
mod canary;
mod certificates;
mod churn;
mod credential;
mod dispatch;
mod draining;
mod egress;
mod http3;
mod overload;
mod pages;
mod reload;
mod renewal;
mod rotation;
mod routes;
mod sidecar_tls;
mod stage;
mod table;
mod tls;
mod together;
mod traces;
mod upstreams;
mod variants;
