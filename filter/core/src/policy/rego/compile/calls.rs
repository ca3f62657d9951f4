//! Which rule calls which? Cycles are refused: the machine would follow them until its stack ends.

use std::collections::{BTreeMap, BTreeSet};

use regorus::rvm::Instruction;

use super::Faults;

/// How deep calls may nest; each level takes some of a stack that is not ours to size.
const MOST_LEVELS: usize = 64;

/// The calls of a program.
pub(super) struct Calls {
    /// Per rule, those that its bodies call.
    edges: BTreeMap<usize, BTreeSet<usize>>,
    /// The rule of each entry point.
    entries: BTreeMap<String, usize>,
}

/// The rule that each instruction belongs to; `None` before the first.
pub(super) fn owners(faults: &Faults<'_>) -> Vec<Option<usize>> {
    let starts = starts(faults);
    let mut rule = None;
    (0..faults.program.instructions.len())
        .map(|at| {
            rule = starts.get(&at).copied().or(rule);
            rule
        })
        .collect()
}

/// Where bodies begin, and of which rules.
pub(super) fn starts(faults: &Faults<'_>) -> BTreeMap<usize, usize> {
    let mut starts = BTreeMap::new();
    for (rule, info) in faults.program.rule_infos.iter().enumerate() {
        let blocks = info.destructuring_blocks.iter().flatten();
        for at in info.definitions.iter().flatten().chain(blocks) {
            starts.extend(usize::try_from(*at).ok().map(|at| (at, rule)));
        }
    }
    starts
}

/// Finds all calls, and refuses cycles and chains that are too long.
pub(super) fn judge(faults: &mut Faults<'_>) -> Calls {
    let program = faults.program;
    let mut calls = Calls { edges: BTreeMap::new(), entries: BTreeMap::new() };
    for (at, owner) in owners(faults).into_iter().enumerate() {
        let called = match program.instructions.get(at) {
            Some(Instruction::CallRule { rule_index, .. }) => Some(*rule_index),
            Some(Instruction::FunctionCall { params_index }) => {
                program.instruction_data.get_function_call_params(*params_index).map(|p| p.func_rule_index)
            }
            _ => None,
        };
        let Some(called) = called.map(usize::from) else { continue };
        if let Some(owner) = owner {
            calls.edges.entry(owner).or_default().insert(called);
        }
        if let Some((name, _)) = program.entry_points.iter().find(|(_, entry)| **entry == at) {
            calls.entries.insert(name.clone(), called);
        }
    }
    let mut levels = BTreeMap::new();
    for rule in 0..program.rule_infos.len() {
        calls.levels(rule, &mut Vec::new(), &mut levels, faults);
    }
    if levels.values().any(|level| *level > MOST_LEVELS) {
        faults.at(usize::MAX, &format!("rules call each other more than {MOST_LEVELS} levels deep"));
    }
    calls
}

// === impl Calls ===

impl Calls {
    /// The rules that the entry point can reach.
    pub(super) fn reached_from(&self, entry: &str) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<usize> = self.entries.get(entry).copied().into_iter().collect();
        while let Some(rule) = open.pop() {
            if reached.insert(rule) {
                open.extend(self.edges.get(&rule).into_iter().flatten());
            }
        }
        reached
    }

    /// How deep the calls of `rule` nest; a rule that is met again on its own way is a fault, told once.
    fn levels(
        &self,
        rule: usize,
        way: &mut Vec<usize>,
        known: &mut BTreeMap<usize, usize>,
        faults: &mut Faults<'_>,
    ) -> usize {
        if let Some(level) = known.get(&rule) {
            return *level;
        }
        if way.contains(&rule) {
            faults.about_rule(rule, "calls itself, directly or by way of others");
            return 0;
        }
        if way.len() > MOST_LEVELS {
            return way.len();
        }
        way.push(rule);
        let below = self.edges.get(&rule).into_iter().flatten();
        let deepest = below.map(|next| self.levels(*next, way, known, faults)).max().unwrap_or_default();
        way.pop();
        known.insert(rule, deepest + 1);
        deepest + 1
    }
}
