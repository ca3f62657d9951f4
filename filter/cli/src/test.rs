//! Do the tests of a Rego policy pass, and which of its lines do they reach? As `opa test` has it: a test is a rule whose name
//! begins with `test_`, in a file called `*_test.rego`, and passes when it is true.

mod documents;

use crate::args::Test;
use crate::document::read;
use crate::outcome::{Outcome, Unusable};
use crate::rego::data::is_data;
use crate::rego::is_test;
use regorus::unstable::{Rule, RuleHead};
use regorus::{Engine, Value as Rego};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use wicketgate_core::policy::rego::compile::{Source, compile_with};
use wicketgate_core::policy::rego::packed::PACKAGE;

/// One test and what came of it.
struct Tested {
    name: String,
    file: String,
    /// `None` where it passed.
    failed: Option<String>,
}

/// Which lines of a policy some test has reached.
struct Covered {
    file: String,
    reached: usize,
    missed: BTreeSet<u32>,
}

pub(crate) fn run(arguments: &Test, _as_json: bool) -> Result<Outcome, Unusable> {
    let files = collect(&arguments.paths)?;
    let mut sources = Vec::new();
    for file in &files {
        sources.push(Source { name: file.display().to_string(), text: read(file)? });
    }
    let data = documents::of(&arguments.paths)?;
    let refused = refusals(&files, &sources, &data);
    let mut engine = Engine::new();
    let json = Value::Object(data).to_string();
    if let Err(why) = Rego::from_json_str(&json).and_then(|data| engine.add_data(data)) {
        return Ok(say(&[], &[], &[why.to_string()], None));
    }
    engine.set_strict_builtin_errors(true);
    engine.set_enable_coverage(true);
    for source in &sources {
        if let Err(why) = engine.add_policy(source.name.clone(), source.text.clone()) {
            return Ok(say(&[], &[], &[why.to_string()], None));
        }
    }
    let tests = tests_of(&mut engine, arguments.run.as_deref());
    if tests.is_empty() {
        return Err(Unusable(
            "no tests: no file called *_test.rego has a rule whose name begins with test_".to_owned(),
        ));
    }
    let tested: Vec<Tested> =
        tests.into_iter().map(|(file, name)| evaluate(&mut engine, file, name)).collect();
    let covered = coverage(&engine, &files)?;
    Ok(say(&tested, &covered, &refused, arguments.threshold))
}

/// Rego files among `paths` and below those of them that are folders, each once, in order.
fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Unusable> {
    let mut found = BTreeSet::new();
    let mut open: Vec<PathBuf> = if paths.is_empty() { vec![PathBuf::from(".")] } else { paths.to_vec() };
    let mut given: BTreeSet<PathBuf> = open.iter().cloned().collect();
    while let Some(path) = open.pop() {
        let cannot = |e: std::io::Error| Unusable(format!("cannot read {}: {e}", path.display()));
        if !std::fs::metadata(&path).map_err(cannot)?.is_dir() {
            if (given.remove(&path) && !is_data(&path)) || path.extension().is_some_and(|e| e == "rego") {
                found.insert(path);
            }
            continue;
        }
        for entry in std::fs::read_dir(&path).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            // Not hidden ones, and no links, which may lead in circles.
            let hidden = entry.file_name().to_str().is_none_or(|name| name.starts_with('.'));
            let link = entry.file_type().map_err(cannot)?.is_symlink();
            if hidden || (link && entry.path().is_dir()) {
                continue;
            }
            open.push(entry.path());
        }
    }
    Ok(found.into_iter().collect())
}

/// What `render` would say to the policy: tests of what the gateway refuses prove nothing.
fn refusals(files: &[PathBuf], sources: &[Source], data: &Map<String, Value>) -> Vec<String> {
    let policy: Vec<Source> = files
        .iter()
        .zip(sources)
        .filter(|(file, _)| !is_test(file))
        .map(|(_, source)| source.clone())
        .collect();
    let package = format!("package {PACKAGE}");
    let ours = |source: &Source| source.text.lines().any(|line| line.trim() == package);
    if !policy.iter().any(ours) {
        return Vec::new();
    }
    compile_with(&policy, data).err().unwrap_or_default().into_iter().map(|refusal| refusal.message).collect()
}

/// File and path of every test whose name holds `word`.
fn tests_of(engine: &mut Engine, word: Option<&str>) -> Vec<(String, String)> {
    let mut tests = BTreeSet::new();
    for module in engine.get_modules() {
        let file = module.package.span.source.get_path().clone();
        if !is_test(Path::new(&file)) {
            continue;
        }
        let package = module.package.refr.span().text();
        for rule in &module.policy {
            let Rule::Spec { head: RuleHead::Compr { refr, .. }, .. } = rule.as_ref() else { continue };
            let name = refr.span().text();
            if name.starts_with("test_") && word.is_none_or(|word| name.contains(word)) {
                tests.insert((file.clone(), format!("data.{package}.{name}")));
            }
        }
    }
    tests.into_iter().collect()
}

fn evaluate(engine: &mut Engine, file: String, name: String) -> Tested {
    let failed = match engine.eval_rule(name.clone()) {
        Ok(Rego::Bool(true)) => None,
        Ok(Rego::Undefined) => Some("undefined".to_owned()),
        Ok(value) => {
            Some(value.to_json_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
        }
        Err(why) => Some(why.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
    };
    Tested { name, file, failed }
}

fn coverage(engine: &Engine, files: &[PathBuf]) -> Result<Vec<Covered>, Unusable> {
    let report = engine.get_coverage_report().map_err(|e| Unusable(format!("no coverage: {e}")))?;
    let policy: BTreeSet<String> =
        files.iter().filter(|file| !is_test(file)).map(|file| file.display().to_string()).collect();
    let one = |file: &regorus::coverage::File| Covered {
        file: file.path.clone(),
        reached: file.covered.len(),
        missed: file.not_covered.difference(&file.covered).copied().collect(),
    };
    let mut covered: Vec<Covered> = report.files.iter().map(one).collect();
    covered.retain(|file| policy.contains(&file.file));
    covered.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(covered)
}

// === impl Covered ===

impl Covered {
    /// Whole percents, 100 only where nothing is missed.
    fn percent(&self) -> usize {
        let all = self.reached + self.missed.len();
        (self.reached * 100).checked_div(all).unwrap_or(100)
    }

    /// `3, 7-9`.
    fn lines(&self) -> String {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for line in &self.missed {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *line => *last = *line,
                _ => ranges.push((*line, *line)),
            }
        }
        let texts = ranges.into_iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
        texts.collect::<Vec<_>>().join(", ")
    }
}

fn say(tested: &[Tested], covered: &[Covered], refused: &[String], threshold: Option<u8>) -> Outcome {
    let failed = tested.iter().filter(|test| test.failed.is_some()).count();
    let least = threshold.map_or(0, usize::from);
    let thin: Vec<&Covered> = covered.iter().filter(|file| file.percent() < least).collect();
    let good = failed == 0 && refused.is_empty() && thin.is_empty();
    let tests: Vec<Value> = tested
        .iter()
        .map(|t| json!({"name": t.name, "file": t.file, "passed": t.failed.is_none(), "why": t.failed}))
        .collect();
    let files: Vec<Value> =
        covered.iter().map(|c| json!({"file": c.file, "percent": c.percent(), "missed": c.missed})).collect();
    let json = json!({"ok": good, "tests": tests, "failed": failed, "coverage": files, "refused": refused});
    let mut text = String::new();
    // Writing to a String cannot fail.
    for test in tested {
        let _ = match &test.failed {
            None => writeln!(text, "pass  {}", test.name),
            Some(why) => writeln!(text, "FAIL  {} ({}): {why}", test.name, test.file),
        };
    }
    for message in refused {
        let _ = writeln!(text, "the gateway refuses this policy: {message}");
    }
    let _ = writeln!(text, "{} tests, {failed} failed", tested.len());
    for file in covered {
        let lines = file.lines();
        let missed = if lines.is_empty() { String::new() } else { format!(", not reached: {lines}") };
        let _ = writeln!(text, "{:>4} %  {}{missed}", file.percent(), file.file);
    }
    for file in thin {
        let _ = writeln!(text, "{}: {} % is below the threshold of {least} %", file.file, file.percent());
    }
    Outcome::Said { text, json, good }
}
