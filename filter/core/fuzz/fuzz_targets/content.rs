//! Contents that are read are JSON when the answer was, and stay as they are when read again; whatever is refused is refused
//! whole. The first byte chooses what becomes of what is found.
#![no_main]
use std::sync::LazyLock;

use wicketgate_core::config;
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::mcp::operation::{Operation, Target};
use wicketgate_core::salt::Salt;
use wicketgate_core::sanitize::content::{Asked, Plan, Report, apply};

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
    let asked = Asked { operation: &operation, may_be_anothers: false };
    let content = &guard.servers[0].content;
    Plan::of_answers(content, &Principal::Anonymous, asked).expect("a rule").salted(Salt::new([7; 16]))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else { return };
    let plan = &PLANS[usize::from(*first) % ACTIONS.len()];
    let Ok(once) = apply(body, plan, &mut Report::default()) else { return };
    let Some(out) = once else { return };
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    assert!(!json(body) || json(&out), "no JSON any more");
    let again = apply(&out, plan, &mut Report::default()).expect("still readable");
    assert_eq!(again.as_deref().map(String::from_utf8_lossy), None, "of {}", String::from_utf8_lossy(&out));
});
