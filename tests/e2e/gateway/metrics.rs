//! Does Envoy expose what the documents promise, under sane names, and nothing of what clients say? The table of
//! `filter/README.md`, the alert rules and `/stats/prometheus` of a running Envoy are held against each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wicketgate_e2e::world::World;
use wicketgate_e2e::{files, layout};

use super::recorder::Recorder;
use super::scene::{RULES, call};
use super::stage::{self, exchange, request};
use super::stand_in::cluster_at;

/// Stands in everything that a client may choose.
const MARK: &str = "mark5d17";

/// By name: its kind, and the values of each of its labels.
type Families = BTreeMap<String, (String, BTreeMap<String, BTreeSet<String>>)>;

struct Page {
    families: Families,
    /// Names with their labels, in a word: what makes a time series.
    series: BTreeSet<String>,
    text: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exposed_is_documented_and_names_nothing_of_clients() {
    let recorder = Recorder::echo().await;
    let upstream = recorder.upstream.clone();
    let world = stage::world("metrics", |plan| {
        plan.upstream = Some(upstream);
        // Of `edge.canary`, which the reference has not.
        let canary = format!("  clusters:\n{}", cluster_at("canary", 1));
        plan.envoy_changes.push(("  clusters:\n".to_owned(), canary));
        const CONTENT: &str = "    content: [{id: r, detect: [email, us_ssn], action: mask}]\n    limits:";
        let policy = stage::policy("{streams: 3}", RULES).replace("    limits:", CONTENT);
        plan.set_policy(&stage::hearing(&policy)).unwrap();
    })
    .await;
    // Histograms show once they hold something.
    drive(&world, "first").await;
    let before = page(&world).await;
    drive(&world, MARK).await;
    let after = page(&world).await;

    assert!(!after.text.contains(MARK), "a client has written into a metric");
    let new: Vec<_> = after.series.difference(&before.series).collect();
    assert!(new.is_empty(), "requests have made time series: {new:?}");
    as_documented(&after.families);
    labels_are_ours(&after.families, &world.origin);
    alerts_know_their_names(&after);
    let decided = series(&after, "wicketgate_decisions_total{reason=\"not_allowed\"}");
    assert!(decided > series(&before, "wicketgate_decisions_total{reason=\"not_allowed\"}"));
    world.discard().await;
}

async fn drive(world: &World, mark: &str) {
    let token = stage::log_in(world, Some("mcp:read")).await.tokens.access_token;
    let origin = format!("https://{mark}.example");
    let marked = [("User-Agent", mark), ("x-request-id", mark), ("Mcp-Session-Id", mark), ("X-Any", mark)];
    for (line, fields, body) in [
        ("POST /mcp", &[][..], call("get_note")),
        ("POST /mcp", &marked, call("get_note")),
        ("POST /mcp", &[("User-Agent", mark)], call(mark)),
        ("POST /mcp", &[], call("get_note").replace("tools/call", mark)),
        ("POST /mcp", &[], stage::tool_call(5, "get_note", &json!({"id": mark})).to_string()),
        ("POST /mcp", &[("Origin", &*origin)], call("get_note")),
        ("POST /mcp", &[("MCP-Protocol-Version", mark)], call("get_note")),
        ("POST /mcp", &[("Authorization", &*format!("Bearer {mark}"))], call("get_note")),
        (&*format!("GET /{mark}"), &[], String::new()),
        (&*format!("GET /mcp?{mark}={mark}"), &[], String::new()),
        (&*format!("{mark} /mcp"), &[], String::new()),
        ("POST /mcp", &[("Host", mark)], call("get_note")),
    ] {
        let own = fields.iter().any(|(name, _)| *name == "Authorization");
        let bytes = request(world, line, (!own).then_some(&*token), fields, body.as_bytes());
        exchange(world, &bytes).await;
    }
}

/// The page, once no VM has anything to add.
async fn page(world: &World) -> Page {
    let url = format!("{}/stats/prometheus", world.envoy.admin());
    let read = || async { world.http.get(&url, &[]).await.unwrap().text() };
    stage::eventually("histograms are merged and gauges set", stage::DEADLINE, || async {
        let text = read().await;
        let alive = text.lines().any(|line| line.starts_with("wicketgate_vms{} ") && !line.ends_with(" 0"));
        if text.contains("\nwicketgate_work_us_count") && alive { Ok(()) } else { Err(String::new()) }
    })
    .await;
    parse(read().await)
}

fn parse(text: String) -> Page {
    let (mut families, mut series) = (Families::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            families.insert(name.to_owned(), (kind.to_owned(), BTreeMap::new()));
            continue;
        }
        let Some((key, _)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else { continue };
        let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let base = base.filter(|base| families.contains_key(*base)).unwrap_or(name);
        let (_, known) = families.get_mut(base).unwrap_or_else(|| panic!("{name} has no type"));
        for (label, value) in labels.trim_end_matches('}').split(',').filter_map(|one| one.split_once('=')) {
            known.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
        if base.starts_with("wicketgate_") {
            series.insert(key.to_owned());
        }
    }
    Page { families, series, text }
}

fn series(page: &Page, key: &str) -> u64 {
    let value = page.text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {key}"))
}

/// The table of the README and what Envoy exposes are the same: names, kinds and labels.
fn as_documented(families: &Families) {
    let readme = files::read(&layout::root().join("filter/README.md")).unwrap();
    let documented: BTreeSet<_> = readme
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `wicketgate_")?.split('|').map(str::trim);
            let (metric, kind) = (cells.next()?.trim_end_matches('`'), cells.next()?);
            let (name, label) = metric.split_once('{').unwrap_or((metric, ""));
            Some((format!("wicketgate_{name}"), kind.to_owned(), label.trim_end_matches('}').to_owned()))
        })
        .collect();
    let exposed: BTreeSet<_> = families
        .iter()
        .filter(|(name, _)| name.starts_with("wicketgate_"))
        .map(|(name, (kind, labels))| {
            let labels: Vec<_> = labels.keys().filter(|label| *label != "le").map(String::as_str).collect();
            (name.clone(), kind.clone(), labels.join(","))
        })
        .collect();
    assert_eq!(documented, exposed);
    for (name, kind, _) in &exposed {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
    }
}

fn labels_are_ours(families: &Families, origin: &str) {
    let readme = files::read(&layout::root().join("filter/README.md")).unwrap();
    let values = |name: &str, label: &str| -> Vec<&str> {
        families[name].1[label].iter().map(String::as_str).collect()
    };
    for reason in values("wicketgate_decisions_total", "reason") {
        assert!(readme.contains(&format!("`{reason}`")), "{reason} is not documented");
    }
    assert_eq!(values("wicketgate_tokens_total", "how"), ["remembered", "verified"]);
    assert_eq!(values("wicketgate_server_decisions_total", "verdict"), ["allow", "deny"]);
    assert!(!values("wicketgate_server_decisions_total", "server").is_empty());
    assert_eq!(values("wicketgate_content_findings_total", "action"), ["mask"]);
    assert_eq!(values("wicketgate_content_findings_total", "found"), ["email", "us_ssn"]);
    assert_eq!(values("wicketgate_records_lost_total", "record"), ["completion", "decision"]);
    for table in values("wicketgate_tables_full_total", "table") {
        assert!(readme.contains(&format!("`{table}`")), "{table} is not documented");
    }
    assert_eq!(values("wicketgate_jwks_age_seconds", "issuer"), [origin]);
    assert_eq!(values("wicketgate_jwks_missing", "issuer"), [origin]);
    assert_eq!(values("wicketgate_revocations_age_seconds", "issuer"), [origin]);
    assert_eq!(values("wicketgate_revocations_missing", "issuer"), [origin]);
}

/// Every metric and every value of a label that an alert names is there.
fn alerts_know_their_names(page: &Page) {
    let text = files::read(&layout::root().join("envoy/alerts.yaml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 10, "{rules:?}");
    for rule in rules {
        let expression = rule["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<_> =
            words.filter(|w| w.starts_with("wicketgate_") || w.starts_with("envoy_")).collect();
        assert!(!names.is_empty(), "{rule}");
        for name in names.into_iter().filter(|name| *name != "envoy_cluster_name") {
            let base = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(page.families.contains_key(base), "{} names {name}", rule["alert"]);
        }
        for (label, values) in matchers(expression) {
            let known: BTreeSet<_> =
                page.families.values().filter_map(|(_, labels)| labels.get(label)).flatten().collect();
            for value in values.split('|') {
                let begins = value.strip_suffix(".+").map(|begin| known.iter().any(|k| k.starts_with(begin)));
                let is_known = begins.unwrap_or_else(|| known.contains(&value.to_owned()));
                assert!(is_known, "{}: {label}={value}", rule["alert"]);
            }
        }
    }
}

/// Labels and the values that they are compared with.
fn matchers(expression: &str) -> Vec<(&str, &str)> {
    let inner = expression.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let pairs = inner.flat_map(|inner| inner.split(", ")).filter_map(|one| one.split_once('='));
    pairs
        .map(|(label, value)| (label.trim_end_matches('!'), value.trim_start_matches('~').trim_matches('"')))
        .collect()
}
