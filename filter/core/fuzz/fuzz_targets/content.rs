//! Contents that are read are JSON when the answer was, and can be read again; whatever is refused is refused whole. The first byte
//! chooses what becomes of what is found.
#![no_main]
use std::sync::LazyLock;

use wicketgate_core::config;
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::mcp::operation::{Operation, Target};
use wicketgate_core::policy::Caller;
use wicketgate_core::salt::Salt;
use wicketgate_core::sanitize::content::{Asked, Plan, Report, apply, apply_to_text};

const ACTIONS: [&str; 4] = ["mask", "hash", "drop", "flag"];

static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| ACTIONS.map(plan).into());

fn plan(action: &str) -> Plan {
    let document = serde_json::json!({"version": 1, "servers": [{
        "name": "s", "url": "https://gate.example/mcp",
        "content": [
            {"id": "r", "detect": ["credentials", "personal", "us_ssn", "uk_nino", "ca_sin", "fr_nir", "de_tax_id", "es_dni",
                "it_fiscal_code", "nl_bsn", "pl_pesel", "br_cpf", "in_aadhaar", "cn_id"],
             "keys": ["*secret*"], "action": action, "characters": "strip"},
        ],
        "rules": [{"id": "all", "allow": {"who": "anonymous", "tools": ["*"]}}],
    }]});
    let guard = config::compile(document.to_string().as_bytes()).expect("a sound configuration").guard;
    let operation = Operation { method: "tools/call".into(), targets: vec![Target::Tool("t".into())] };
    let asked = Asked { operation: &operation, may_be_anothers: false, may_be_obliged: false, obliged: &[] };
    let content = &guard.servers[0].content;
    let nobody = Caller::from(&Principal::Anonymous);
    Plan::of_answers(content, nobody, asked).expect("a rule").salted(Salt::new([7; 16]))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else { return };
    let plan = &PLANS[usize::from(*first) % ACTIONS.len()];
    let Ok(once) = apply(body, plan, &mut Report::default()) else { return };
    let Some(out) = once else { return };
    // What holds no message is read as a text; what is written in its place (`[redacted:…]`) makes no message of it.
    let message = body.iter().any(|byte| b"{[".contains(byte));
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    let was_json = message && json(body);
    assert!(!was_json || json(&out), "no JSON any more");
    let read = if message { apply } else { apply_to_text };
    // It may find more: a mark is a border, beside which digits of a longer run are a number of their own.
    let again = read(&out, plan, &mut Report::default()).expect("still readable").unwrap_or(out);
    assert!(!was_json || json(&again), "no JSON any more");
});
