//! What came of every fault, as a table: written by `make faults`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;

use crate::backend::Fault;
use crate::flow::{Outcome, Seen};
use crate::place::TOPOLOGIES;

/// Where the report is to be written.
const VARIABLE: &str = "WICKETGATE_FAULTS_REPORT";

static RESULTS: Mutex<BTreeMap<&str, Vec<Seen>>> = Mutex::new(BTreeMap::new());

/// Whether somebody wants a report.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Adds what came of the faults of one topology; writes the report with the last one.
pub(crate) fn add(topology: &'static str, seen: Vec<Seen>) {
    let mut results = RESULTS.lock().unwrap();
    results.insert(topology, seen);
    if let (Some(folder), true) = (std::env::var_os(VARIABLE), results.len() == TOPOLOGIES.len()) {
        std::fs::write(std::path::Path::new(&folder).join("report.md"), text(&results)).unwrap();
    }
}

fn text(results: &BTreeMap<&str, Vec<Seen>>) -> String {
    let mut text = HEAD.to_owned();
    for topology in TOPOLOGIES {
        let seen = &results[topology];
        let count = |outcome| seen.iter().filter(|one| one.outcome == outcome).count();
        writeln!(
            text,
            "| {topology} | {} | {} | {} | {} |",
            seen.len(),
            count(Outcome::Unnoticed),
            count(Outcome::Repeated),
            count(Outcome::BegunAgain)
        )
        .unwrap();
    }
    text.push_str(TABLE);
    for (step, command) in rows(results) {
        write!(text, "| {step} | {command} |").unwrap();
        for topology in TOPOLOGIES {
            for fault in [Fault::NotDone, Fault::AnswerLost] {
                let its = |one: &&Seen| one.step == step && one.command == command && one.fault == fault;
                let outcomes: BTreeSet<_> =
                    results[topology].iter().filter(its).map(|one| one.outcome).collect();
                let words: Vec<_> = outcomes.into_iter().map(word).collect();
                write!(text, " {} |", if words.is_empty() { "-".into() } else { words.join(", ") }).unwrap();
            }
        }
        text.push('\n');
    }
    text
}

/// Steps with their commands, in the order in which they come.
fn rows(results: &BTreeMap<&str, Vec<Seen>>) -> Vec<(&'static str, String)> {
    let mut rows: Vec<(&'static str, String)> = Vec::new();
    for one in TOPOLOGIES.iter().flat_map(|topology| &results[topology]) {
        let row = (one.step, one.command.clone());
        if !rows.contains(&row) {
            let after = rows.iter().rposition(|(step, _)| *step == one.step);
            rows.insert(after.map_or(rows.len(), |after| after + 1), row);
        }
    }
    rows
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unnoticed => "same",
        Outcome::Repeated => "asked again",
        Outcome::BegunAgain => "begun again",
    }
}

const HEAD: &str = "\
# When one command to the store fails

One complete flow for every command and both ways to fail: it is not done, or it is done and the answer is lost. Checked in every
run: no answer is a 500 or refuses because of the fault; a code and a refresh token work once, and a family never forks; nothing
that was revoked is active; every page is whole. Written by `make faults`; do not edit.

`same`: the answer was that of a flow without faults. `asked again`: 503, and the same request succeeded the second time. `begun again`:
503, and what was half done could not be repeated: a code works once, a consent is answered once.

| records | faults | same | asked again | begun again |
|---|---|---|---|---|
";

const TABLE: &str = "
## Commands

The command and the kind of record (`auth-sidecar/src/store/README.md`); for each place first *not done*, then *answer lost*.

| step | command | embedded | | single | | sentinel | | cluster | |
|---|---|---|---|---|---|---|---|---|---|
";
