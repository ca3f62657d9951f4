//! What does Envoy or Istio take? A policy in the form of a filter configuration, written so that no reader sees half.

mod envoy;
mod istio;
mod watch;
pub(crate) mod write;

use crate::args::{Form, Render};
use crate::document::{Fault, Policy};
use crate::outcome::{Outcome, Unusable, warnings_text};
use crate::rego::Need;
use serde_json::{Value, json};
use std::path::Path;
use wicketgate_core::config::ConfigError;

pub(crate) fn run(arguments: &Render, as_json: bool) -> Result<Outcome, Unusable> {
    let form = Rendering::new(arguments)?;
    let policy = match Policy::load(&arguments.file) {
        Ok(policy) => policy,
        Err(fault) => return Ok(fault.into()),
    };
    eprint!("{}", warnings_text(&policy.document, &policy.compiled.warnings));
    let text = match form.text(&policy) {
        Ok(text) => text,
        Err(fault) => return Ok(fault.into()),
    };
    let Some(out) = &arguments.out else { return Ok(Outcome::Text(text)) };
    write::replace(out, &text)?;
    if arguments.watch {
        return watch::stay(arguments, &form, out, &policy.compiled.guard.digest, as_json);
    }
    let need = Need::of(&policy.document.json);
    let digest = policy.compiled.guard.digest;
    let json = json!({
        "ok": true, "out": out.display().to_string(), "digest": digest, "module": need.file(), "why": need.why(),
    });
    let mut text = format!("{}: written, digest {digest}\n", out.display());
    if need.file() != "wicketgate.wasm" {
        text.push_str(&format!("module: {} ({})\n", need.file(), need.why()));
    }
    Ok(Outcome::Said { text, json, good: true })
}

/// What to write, judged before anything is read.
pub(crate) struct Rendering {
    form: Form,
    wasm: String,
    as_json: bool,
}

// === impl Rendering ===

impl Rendering {
    fn new(arguments: &Render) -> Result<Self, Unusable> {
        let given = arguments.wasm.clone();
        let need = |what: &str| Unusable(format!("--wasm is needed: {what}"));
        let wasm = match arguments.to {
            Form::Json => String::new(),
            Form::Ecds | Form::EnvoyFilter => {
                let path = given.ok_or_else(|| need("the path of the module, as Envoy will find it"))?;
                // Envoy may be started in another folder.
                std::path::absolute(&path)
                    .map_err(|e| Unusable(format!("--wasm {path}: {e}")))?
                    .to_str()
                    .ok_or_else(|| Unusable(format!("--wasm {path}: not UTF-8")))?
                    .to_owned()
            }
            Form::Wasmplugin => {
                given.ok_or_else(|| need("the URL of the module (oci://, https://, file://)"))?
            }
        };
        let as_json = arguments.to == Form::Json
            || arguments.out.as_deref().and_then(Path::extension).is_some_and(|e| e == "json");
        Ok(Self { form: arguments.to, wasm, as_json })
    }

    /// The whole file.
    pub(crate) fn text(&self, policy: &Policy) -> Result<String, Fault> {
        let guard = &policy.compiled.guard;
        let config = &policy.document.json;
        self.module_suffices(policy)?;
        let value = match self.form {
            Form::Json => config.clone(),
            Form::Ecds => envoy::discovery_response(guard, config, &self.wasm),
            Form::EnvoyFilter => json!([envoy::http_filter(guard, config, &self.wasm)]),
            Form::Wasmplugin if guard.hold_headers => {
                let message = "a WasmPlugin cannot hold headers back (it has no allow_on_headers_stop_iteration): set this \
                               to false and put a buffer filter behind this one, or render envoy-filter into an \
                               EnvoyFilter";
                let error = ConfigError {
                    path: "hold_headers".to_owned(),
                    message: message.to_owned(),
                    suggestion: None,
                };
                return Err(Fault::Refused(policy.document.refusal(vec![error])));
            }
            Form::Wasmplugin => istio::wasm_plugin(config, &self.wasm),
        };
        if self.as_json { to_json(&value) } else { to_yaml(&value) }.map_err(Fault::Unusable)
    }
}

impl Rendering {
    /// One of our own modules, by its name, must have what the policy needs. Any other name is believed: the module refuses
    /// a configuration that needs more than it has.
    fn module_suffices(&self, policy: &Policy) -> Result<(), Fault> {
        let need = Need::of(&policy.document.json);
        if !need.exceeds(&self.wasm) {
            return Ok(());
        }
        let message = format!("the policy needs {}, because {}", need.file(), need.why());
        Err(Fault::Unusable(Unusable(format!("--wasm {}: {message}", self.wasm))))
    }
}

fn to_json(value: &Value) -> Result<String, Unusable> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|e| Unusable(format!("cannot be written as JSON: {e}")))
}

fn to_yaml(value: &Value) -> Result<String, Unusable> {
    serde_saphyr::to_string(value).map_err(|e| Unusable(format!("cannot be written as YAML: {e}")))
}
