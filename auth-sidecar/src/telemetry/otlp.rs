//! How do spans reach the collector? In batches, as protobuf over HTTP (OTLP/HTTP), posted by our own client.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use reqwest::{Client, redirect};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::spans::TRACED;
use crate::config::Otlp;
use crate::error::ServeError;
use crate::fetch::trusted;

/// For one post.
const LONGEST: Duration = Duration::from_secs(10);
const NAME: &str = "wicketgate-auth";

/// Posts from the runtime that it was made in: the exporter asks from a thread of its own, which has none.
#[derive(Debug)]
struct Post {
    http: Client,
    runtime: Handle,
}

/// What sends spans to this collector.
pub(super) fn provider(config: &Otlp) -> Result<SdkTracerProvider, ServeError> {
    let failed = |why: String| ServeError::Telemetry(why);
    let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().timeout(LONGEST);
    let http = trusted(http, None).build().map_err(|error| failed(error.to_string()))?;
    let runtime = Handle::try_current().map_err(|error| failed(error.to_string()))?;
    let headers: HashMap<String, String> =
        config.headers.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Post { http, runtime })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(config.endpoint.as_str())
        .with_headers(headers)
        .with_timeout(LONGEST)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name(NAME).with_attribute(version).build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        // Who has decided already decides for us, too: half a trace is of no use.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample))))
        .build())
}

/// Makes spans of ours, and nothing else, into those of a trace.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(NAME))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TRACED))
}

// === impl Post ===

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (http, request) = (self.http.clone(), request.try_into()?);
        let posted = async move {
            let response = http.execute(request).await.map_err(reqwest::Error::without_url)?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await.map_err(reqwest::Error::without_url)?))
        };
        let (status, body) = match self.runtime.spawn(posted).await? {
            Ok(answered) => answered,
            Err(error) => {
                tracing::warn!(event = "spans_not_sent", %error);
                return Err(error.into());
            }
        };
        if !status.is_success() {
            tracing::warn!(event = "spans_refused", status = status.as_u16());
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}
