//! Whatever is read, serde_json reads the same method and name from it.
#![no_main]
use wicketgate_core::mcp::{jsonrpc, operation::Target};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let Ok(message) = jsonrpc::read(body, None) else { return };
    let theirs: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    assert!(theirs["method"].is_null() || theirs["method"] == message.operation.method);
    for target in &message.operation.targets {
        if let Target::Tool(name) = target {
            assert_eq!(theirs["params"]["name"], **name);
        }
    }
});
