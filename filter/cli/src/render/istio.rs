//! The filter as Istio's WasmPlugin (extensions.istio.io/v1alpha1).

use super::envoy::NAME;
use serde_json::{Value, json};

/// A WasmPlugin for every gateway of its namespace; `selector` or `targetRefs` narrow it.
pub(crate) fn wasm_plugin(config: &Value, url: &str) -> Value {
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": NAME},
        "spec": {
            "url": url,
            "imagePullPolicy": "IfNotPresent",
            "phase": "AUTHZ",
            "failStrategy": "FAIL_RELOAD",
            "pluginConfig": config,
        },
    })
}
