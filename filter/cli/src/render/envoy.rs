//! The filter as plain Envoy configures it (envoy.extensions.filters.http.wasm.v3, as of Envoy 1.40).

use serde_json::{Map, Value, json};
use wicketgate_core::guard::Guard;

/// The name of the filter, of the extension configuration, and of the VM with its shared data.
pub(crate) const NAME: &str = "wicketgate";

/// What the module may call, and be called for. Nothing else of the host is open to it.
const CAPABILITIES: &[&str] = &[
    // calls of the proxy-wasm host
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_done",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
    // callbacks
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_done",
    "proxy_on_http_call_response",
    "proxy_on_log",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_response_body",
    "proxy_on_response_headers",
    "proxy_on_response_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
    // what a wasm32-wasip1 module imports
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_read",
    "fd_seek",
    "fd_write",
    "proc_exit",
    "random_get",
    "sched_yield",
];

/// A file for `config_discovery` with `path_config_source`.
pub(crate) fn discovery_response(guard: &Guard, config: &Value, wasm: &str) -> Value {
    json!({
        "version_info": guard.digest,
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": NAME,
            "typed_config": filter(guard, config, wasm),
        }],
    })
}

/// An entry of `http_filters`.
pub(crate) fn http_filter(guard: &Guard, config: &Value, wasm: &str) -> Value {
    json!({"name": NAME, "typed_config": filter(guard, config, wasm)})
}

fn filter(guard: &Guard, config: &Value, wasm: &str) -> Value {
    let allowed: Map<String, Value> =
        CAPABILITIES.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": NAME,
            // A trap answers 503 until the VM is back, which takes a tenth of a second; never open.
            "failure_policy": "FAIL_RELOAD",
            "reload_config": {"backoff": {"base_interval": "0.1s"}},
            "allow_on_headers_stop_iteration": guard.hold_headers,
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": config.to_string(),
            },
            "vm_config": {
                "vm_id": NAME,
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": wasm}},
            },
            // Of the plugin, not of `vm_config`: that is new in Envoy 1.40, and before an unknown field, which restricts nothing.
            // 1.40 takes both, and warns that this one is deprecated.
            "capability_restriction_config": {"allowed_capabilities": allowed},
        },
    })
}
