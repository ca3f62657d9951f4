//! What does the server offer, and who answers which method?

use axum::Router;
use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, Implementation, ListResourceTemplatesResult,
    ListResourcesResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, Reference, ServerCapabilities, ServerConfig, SubscriptionFilter,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, prompt_handler, tool_handler};
use serde_json::json;

use crate::notes::Notes;
use crate::resources;

/// One client's view of the server; the notes behind it are common to all.
#[derive(Clone, Debug)]
pub(crate) struct SampleServer {
    notes: Notes,
    tool_router: ToolRouter<Self>,
    prompt_router: PromptRouter<Self>,
}

/// The whole HTTP service: MCP at `/mcp`, anything else 404.
///
/// `Host` must be a loopback name, as the SDK demands by default; the gateway rewrites it to the upstream's own.
pub fn router() -> Router {
    serving(StreamableHttpServerConfig::default())
}

/// [`router`] under any name: for a cluster, where it is a Service's and a policy of the network says who may ask.
pub fn router_for_any_host() -> Router {
    serving(StreamableHttpServerConfig::default().disable_allowed_hosts())
}

fn serving(config: StreamableHttpServerConfig) -> Router {
    let notes = Notes::default();
    let service = StreamableHttpService::new(
        move || Ok(SampleServer::new(notes.clone())),
        LocalSessionManager::default().into(),
        config,
    );
    Router::new().route_service("/mcp", service)
}

// === impl SampleServer ===

impl SampleServer {
    /// A server over these notes.
    pub(crate) fn new(notes: Notes) -> Self {
        Self { notes, tool_router: Self::tool_router(), prompt_router: Self::prompt_router() }
    }

    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }
}

#[tool_handler(router = self.tool_router)]
#[prompt_handler(router = self.prompt_router)]
impl ServerHandler for SampleServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new("wicketgate-sample-server", env!("CARGO_PKG_VERSION"))
                    .with_title("Notes (sample server)"),
            )
            .with_instructions("Shared notes: search_notes first, then get_note. run_report is slow.")
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list(&self.notes)))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match resources::read(&self.notes, &request.uri) {
            Some(contents) => Ok(ReadResourceResult::new(vec![contents]).into()),
            None => {
                Err(ErrorData::resource_not_found("Resource not found", Some(json!({"uri": request.uri}))))
            }
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known = match &request.r#ref {
            Reference::Prompt(prompt) => prompt.name == "summarize_note",
            Reference::Resource(template) => template.uri == resources::TEMPLATE,
            _ => false,
        };
        if !known || request.argument.name != "id" {
            return Err(ErrorData::invalid_params("Nothing of that name can be completed", None));
        }
        let ids = self.notes.all().into_iter().map(|note| note.id);
        let values = ids
            .filter(|id| id.starts_with(&request.argument.value))
            .take(CompletionInfo::MAX_VALUES)
            .collect();
        let completion = CompletionInfo::with_all_values(values)
            .map_err(|reason| ErrorData::internal_error(reason, None))?;
        Ok(CompleteResult::new(completion))
    }

    // The SDK keeps of it what `get_info` advertises: changes of the resource list.
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }
}
