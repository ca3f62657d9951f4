//! A schema that a server made up and arguments that a caller did: an answer with bounded work, and the same however both are
//! spaced. What an allow rule permits, a deny rule with the same demand means. A default is put in once.
#![no_main]
use std::sync::LazyLock;

use serde_json::{Value, json};
use wicketgate_core::config::compile;
use wicketgate_core::guard::Guard;
use wicketgate_core::policy::pattern::Pattern;
use wicketgate_core::tools::defaults::{Defaults, Place, fill_in};
use wicketgate_core::tools::schema::Schema;

/// An allow and a deny rule for each of some demands.
static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let demands = [
        ("n", json!({"min": -1, "max": 5})),
        ("p", json!({"within": ["/srv", "/"]})),
        ("u", json!({"hosts": ["*"]})),
        ("o.x", json!({"one_of": ["a", 1]})),
        ("q", json!({"pattern": "a+b|c"})),
    ];
    let mut rules: Vec<Value> = Vec::new();
    for (at, (path, demand)) in demands.into_iter().enumerate() {
        let mut needed = demand.clone();
        needed["required"] = true.into();
        let arguments = |demand| json!({"who": "any", "tools": ["*"], "arguments": {path: demand}});
        rules.push(json!({"id": format!("allow{at}"), "allow": arguments(needed)}));
        rules.push(json!({"id": format!("deny{at}"), "deny": arguments(demand)}));
    }
    let issuer = json!({"issuer": "https://a.example", "algorithms": ["ES256"], "jwks": {"cluster": "c", "path": "/k"}});
    let server = json!({"name": "s", "url": "https://s.example/mcp", "rules": rules});
    let policy = json!({"version": 1, "issuers": [issuer], "servers": [server]});
    compile(policy.to_string().as_bytes()).expect("a sound policy").guard
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (schema, instance) = data.split_at(data.iter().position(|b| *b == b'\n').unwrap_or(data.len()));
    if let Ok(schema) = Schema::compile(schema) {
        assert_eq!(schema.validate(instance), schema.validate(&[b" ", instance, b"\n"].concat()));
    }
    for pair in GUARD.servers[0].rules.rules().chunks(2) {
        let [allow, deny] = pair else { unreachable!("rules come in pairs") };
        let (allow, deny) =
            (allow.arguments.as_ref().expect("demands"), deny.arguments.as_ref().expect("demands"));
        assert!(allow.unmet(instance).is_some() || deny.meant(instance).is_some());
    }
    let tools = vec![Pattern::any()];
    let defaults = [Defaults { tools, arguments: vec![("n".into(), "1".into())] }];
    let object = instance.trim_ascii();
    if let Ok(Some(filled)) = fill_in(object, &Place::Object(0..object.len()), "t", &defaults) {
        let again = fill_in(&filled, &Place::Object(0..filled.len()), "t", &defaults);
        assert_eq!(again.expect("still an object"), None);
    }
});
