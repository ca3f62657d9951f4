//! Who passes and who is refused, with an upstream that keeps every byte? One world before one [`Recorder`], one token.

use serde_json::{Value, json};
use wicketgate_e2e::world::{Plan, World};

use super::recorder::Recorder;
use super::stage::{self, exchange, request};

/// The rules of most hostile tests: little is allowed.
pub(super) const RULES: &str =
    "      - {id: some, allow: {who: {scopes: [mcp:read]}, tools: [get_note], resources: [\"notes://*\"]}}\n";

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) recorder: Recorder,
    pub(super) token: String,
}

// === impl Scene ===

impl Scene {
    /// Before a recorder that answers everything, with [`RULES`] and small bodies.
    pub(super) async fn start(name: &str) -> Self {
        Self::before(Recorder::echo().await, name, |_| {}).await
    }

    /// Before this recorder, which must answer a call of `get_note`; `change` may alter the plan.
    pub(super) async fn before(recorder: Recorder, name: &str, change: impl FnOnce(&mut Plan)) -> Self {
        let upstream = recorder.upstream.clone();
        let world = stage::world(name, |plan| {
            plan.upstream = Some(upstream);
            plan.set_policy(&stage::policy("{request_bytes: 64KiB}", RULES)).unwrap();
            change(plan);
        })
        .await;
        let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
        let scene = Self { world, recorder, token };
        // Whatever connected while the world came up has been accepted once this has been answered.
        scene.passes("at first", &scene.post(&call("get_note"), &[])).await;
        scene
    }

    pub(super) fn post(&self, body: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        request(&self.world, "POST /mcp", Some(&self.token), fields, body.as_bytes())
    }

    /// The request passes, whole, and is the only thing that the upstream has seen since the last look.
    pub(super) async fn passes(&self, what: &str, bytes: &[u8]) {
        let answer = exchange(&self.world, bytes).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert!(answer.json()["result"].is_object(), "{what}: {answer:?}");
        let seen = self.recorder.take();
        assert_eq!(seen.len(), 1, "{what}: {seen:?}");
        assert_eq!(seen[0].json()["params"]["name"], "get_note", "{what}: {seen:?}");
    }

    /// The request is answered with this status and this JSON-RPC code (null: not looked at); the upstream sees nothing.
    pub(super) async fn refused(&self, what: &str, bytes: &[u8], status: u16, code: Value) -> Value {
        let answer = exchange(&self.world, bytes).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        if !code.is_null() {
            assert_eq!(answer.code(), code, "{what}: {answer:?}");
        }
        assert_eq!(self.recorder.bytes(), 0, "{what} reached the upstream: {:?}", self.recorder.take());
        answer.json()
    }
}

/// A call of a tool, as text.
pub(super) fn call(name: &str) -> String {
    stage::tool_call(5, name, &json!({"id": "ideas"})).to_string()
}
