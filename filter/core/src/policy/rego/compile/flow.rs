//! Where does each value of a program come from? Followed through its registers, to learn what of the input it reads.
//!
//! The compiler gives every value of a rule a register of its own, in the order of the program, so one pass is enough. What
//! is not followed (a value handed to a function, put into a collection, iterated over) counts as read whole.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use regorus::rvm::Instruction;
use regorus::rvm::instructions::{GuardMode, LiteralOrRegister, LoopMode};
use regorus::rvm::program::RuleType;

use super::{Faults, calls, documents, operands};
use crate::policy::rego::reads::{CIRCUMSTANCES, Reads, STABLE, hidden};

/// What a register is known to hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Held {
    /// The input at this path.
    Input(Vec<String>),
    /// The data documents at this path.
    Data(Vec<String>),
    /// A constant of the policy.
    Literal(Value),
}

/// One call of a built-in.
pub(super) struct BuiltinCall {
    pub(super) at: usize,
    pub(super) name: String,
    /// What is known of its arguments.
    pub(super) arguments: Vec<Option<Held>>,
}

/// One read of the input: by which rule, at which instruction.
struct Read {
    rule: Option<usize>,
    at: usize,
    path: Vec<String>,
}

/// What was found out about a program.
pub(super) struct Flow {
    reads: Vec<Read>,
    pub(super) builtins: Vec<BuiltinCall>,
}

/// The pass over one program.
struct Pass<'a, 'b> {
    faults: &'a mut Faults<'b>,
    registers: BTreeMap<u8, Held>,
    /// Registers that surely hold something; others may hold "undefined".
    defined: BTreeSet<u8>,
    /// The rule of the present instruction, and its result's register.
    rule: Option<usize>,
    result: Option<u8>,
    /// Where the iterations end that the present instruction is in, outside of comprehensions.
    iterations: Vec<usize>,
    /// How many comprehensions it is in.
    comprehensions: usize,
    at: usize,
    flow: Flow,
}

/// Follows all values, and refuses reads of what the input does not hold.
pub(super) fn judge(faults: &mut Faults<'_>) -> Flow {
    let program = faults.program;
    let starts = calls::starts(faults);
    let flow = Flow { reads: Vec::new(), builtins: Vec::new() };
    let mut pass = Pass {
        faults,
        registers: BTreeMap::new(),
        defined: BTreeSet::new(),
        rule: None,
        result: None,
        iterations: Vec::new(),
        comprehensions: 0,
        at: 0,
        flow,
    };
    for (at, instruction) in program.instructions.iter().enumerate() {
        pass.at = at;
        if let Some(rule) = starts.get(&at) {
            pass.registers.clear();
            pass.defined.clear();
            pass.rule = Some(*rule);
            let info = program.rule_infos.get(*rule);
            pass.result =
                info.filter(|info| info.rule_type == RuleType::Complete).map(|info| info.result_reg);
            pass.iterations.clear();
            pass.comprehensions = 0;
        }
        pass.step(instruction);
    }
    let flow = pass.flow;
    for read in &flow.reads {
        if let Err(message) = known(&read.path) {
            faults.at(read.at, &message);
        }
    }
    flow
}

// === impl Flow ===

impl Flow {
    /// What `rules` read that differs from request to request.
    pub(super) fn reads(&self, rules: &BTreeSet<usize>) -> Reads {
        let mut reads = Reads::default();
        for read in self.reads.iter().filter(|read| read.rule.is_none_or(|rule| rules.contains(&rule))) {
            match read.path.split_first() {
                Some((key, rest)) if key == "arguments" => reads.arguments.push(rest.to_vec()),
                Some((key, [name, ..])) if key == "headers" => reads.headers.push(name.clone()),
                Some((key, _)) if key == "source" => reads.source = true,
                Some((key, _)) if key == "time" => reads.time = true,
                _ => {}
            }
        }
        reads.reduced()
    }

    /// Refuses what `visible` reads of that: a list is made for nobody's request in particular.
    pub(super) fn refuse_circumstances(&self, rules: &BTreeSet<usize>, faults: &mut Faults<'_>) {
        for read in self.reads.iter().filter(|read| read.rule.is_some_and(|rule| rules.contains(&rule))) {
            if let Some(key) = read.path.first().filter(|key| CIRCUMSTANCES.contains(&key.as_str())) {
                let message =
                    format!("`visible` decides about lists, which have no `input.{key}`; read it in `allow`");
                faults.at(read.at, &message);
            }
        }
    }
}

// === impl Pass ===

impl Pass<'_, '_> {
    fn step(&mut self, instruction: &Instruction) {
        let program = self.faults.program;
        self.iterations.retain(|end| self.at < *end);
        match *instruction {
            Instruction::Load { dest, literal_idx } => {
                let literal = program.literals.get(usize::from(literal_idx)).cloned();
                self.put(dest, literal.map(Held::Literal));
            }
            Instruction::LoadTrue { dest } => self.put(dest, Some(Held::Literal(Value::Bool(true)))),
            Instruction::LoadBool { dest, value } => self.put(dest, Some(Held::Literal(Value::Bool(value)))),
            Instruction::LoadFalse { dest } => self.put(dest, Some(Held::Literal(Value::Bool(false)))),
            Instruction::LoadNull { dest } => self.put(dest, Some(Held::Literal(Value::Null))),
            Instruction::LoadInput { dest } => self.put(dest, Some(Held::Input(Vec::new()))),
            Instruction::LoadData { dest } => self.put(dest, Some(Held::Data(Vec::new()))),
            Instruction::Move { dest, src } => {
                let (held, defined) = (self.registers.get(&src).cloned(), self.defined.contains(&src));
                self.put(dest, held);
                if defined {
                    self.defined.insert(dest);
                }
            }
            Instruction::IndexLiteral { dest, container, literal_idx } => {
                let key = program.literals.get(usize::from(literal_idx)).cloned();
                self.index(dest, container, &[key]);
            }
            Instruction::Index { dest, container, key } => {
                // What is looked up is read: without it, "is not on the list" would be true of everybody.
                self.consume(key);
                let key = self.literal(key);
                self.index(dest, container, &[key]);
            }
            Instruction::ChainedIndex { params_index } => {
                let Some(params) = program.instruction_data.get_chained_index_params(params_index) else {
                    return;
                };
                let keys: Vec<Option<Value>> = params
                    .path_components
                    .iter()
                    .map(|component| match component {
                        LiteralOrRegister::Literal(at) => program.literals.get(usize::from(*at)).cloned(),
                        LiteralOrRegister::Register(register) => self.literal(*register),
                    })
                    .collect();
                for component in &params.path_components {
                    if let LiteralOrRegister::Register(register) = component {
                        self.consume(*register);
                    }
                }
                self.index(params.dest, params.root, &keys);
            }
            _ => self.other(instruction),
        }
    }

    /// An instruction that uses what it reads.
    fn other(&mut self, instruction: &Instruction) {
        let program = self.faults.program;
        if let Instruction::BuiltinCall { params_index } = instruction
            && let Some(params) = program.instruction_data.get_builtin_call_params(*params_index)
        {
            let name = program.get_builtin_info(params.builtin_index).map_or("", |info| info.name.as_str());
            let arguments = params.arg_registers().iter().map(|r| self.registers.get(r).cloned()).collect();
            self.flow.builtins.push(BuiltinCall { at: self.at, name: name.to_owned(), arguments });
        }
        let Some(operands) = operands::of(instruction, &program.instruction_data) else {
            self.faults.at(self.at, "this is no part of Rego that the gateway runs");
            return;
        };
        for register in operands.read {
            self.consume(register);
        }
        let init = matches!(instruction, Instruction::RuleInit { .. });
        for register in operands.written {
            if !init {
                self.give(register, false);
            }
            self.registers.remove(&register);
            self.defined.remove(&register);
        }
        self.define(instruction);
    }

    /// Follows what is sure to be there, and refuses to collect what is not: OPA leaves it out, the machine does not.
    fn define(&mut self, instruction: &Instruction) {
        let data = &self.faults.program.instruction_data;
        match *instruction {
            Instruction::ArrayNew { dest } | Instruction::SetNew { dest } => drop(self.defined.insert(dest)),
            Instruction::Guard { register, mode: GuardMode::NotUndefined | GuardMode::Condition } => {
                self.defined.insert(register);
            }
            Instruction::AssertEq { left, right } => self.defined.extend([left, right]),
            Instruction::LoopStart { params_index } => {
                let params = data.get_loop_params(params_index);
                if let Some(params) = params.filter(|params| params.mode == LoopMode::ForEach)
                    && self.comprehensions == 0
                {
                    self.iterations.push(usize::from(params.loop_end));
                }
                self.defined.extend(params.into_iter().flat_map(|params| [params.key_reg, params.value_reg]));
            }
            Instruction::ComprehensionEnd {} => self.comprehensions = self.comprehensions.saturating_sub(1),
            Instruction::ComprehensionBegin { params_index } => {
                self.comprehensions += 1;
                let params = data.get_comprehension_begin_params(params_index);
                let registers = params.map(|params| [params.result_reg, params.key_reg, params.value_reg]);
                self.defined.extend(registers.into_iter().flatten());
            }
            Instruction::ComprehensionYield { value_reg: value, .. } if !self.defined.contains(&value) => {
                let message =
                    "what is collected here may be undefined; give it a name first: `[y | …; y := …]`";
                self.faults.at(self.at, message);
            }
            _ => {}
        }
    }

    fn literal(&self, register: u8) -> Option<Value> {
        match self.registers.get(&register) {
            Some(Held::Literal(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// `dest = container[keys…]`; a key that is not a constant text ends the path that is followed.
    fn index(&mut self, dest: u8, container: u8, keys: &[Option<Value>]) {
        self.defined.remove(&dest);
        if let Some(Held::Data(path)) = self.registers.get(&container).cloned() {
            return self.look_up(dest, path, keys);
        }
        let Some(Held::Input(path)) = self.registers.get(&container).cloned() else {
            self.registers.remove(&dest);
            return;
        };
        let mut path = path;
        for key in keys {
            match key {
                Some(Value::String(text)) => path.push(text.to_string()),
                _ => {
                    self.read(path);
                    self.registers.remove(&dest);
                    return;
                }
            }
        }
        self.put(dest, Some(Held::Input(path)));
    }

    /// The same of data documents: what is named must be there.
    fn look_up(&mut self, dest: u8, mut path: Vec<String>, keys: &[Option<Value>]) {
        let named = keys.iter().map_while(|key| match key {
            Some(Value::String(text)) => Some(text.to_string()),
            _ => None,
        });
        let before = path.len();
        path.extend(named);
        if let Err(message) = documents::known(self.faults.data, &path) {
            self.faults.at(self.at, &message);
        }
        let whole = path.len() - before == keys.len();
        self.put(dest, whole.then_some(Held::Data(path)));
        if whole {
            self.defined.insert(dest);
        }
    }

    /// What becomes a rule's result is used by whoever calls it.
    fn put(&mut self, register: u8, held: Option<Held>) {
        self.give(register, matches!(held, Some(Held::Literal(_))));
        if matches!(held, Some(Held::Literal(_))) {
            self.defined.insert(register);
        } else {
            self.defined.remove(&register);
        }
        match held {
            Some(Held::Input(path)) if self.result == Some(register) => {
                self.read(path);
                self.registers.remove(&register);
            }
            Some(held) => drop(self.registers.insert(register, held)),
            None => drop(self.registers.remove(&register)),
        }
    }

    /// A rule's result out of an iteration must be the same each time: OPA calls it a conflict, the machine takes the first.
    fn give(&mut self, register: u8, constant: bool) {
        if self.result == Some(register) && !constant && !self.iterations.is_empty() {
            let message = "a rule takes its value out of an iteration, which may give several; collect them in a set or an array";
            self.faults.at(self.at, message);
        }
    }

    fn consume(&mut self, register: u8) {
        if let Some(Held::Input(path)) = self.registers.get(&register).cloned() {
            self.read(path);
        }
    }

    fn read(&mut self, path: Vec<String>) {
        self.flow.reads.push(Read { rule: self.rule, at: self.at, path });
    }
}

/// Keys below a key of the input, where they are fixed.
const BELOW: &[(&str, &[&str])] = &[
    ("server", &["name", "labels"]),
    (
        "principal",
        &[
            "authenticated",
            "issuer",
            "subject",
            "client",
            "scopes",
            "groups",
            "roles",
            "organization",
            "certificate",
        ],
    ),
    ("tool", &["name", "labels"]),
    ("prompt", &["name"]),
    ("resource", &["uri"]),
    ("template", &["uri"]),
    ("task", &["id"]),
    ("source", &["address"]),
    ("time", &["now_ns", "year", "month", "day", "hour", "minute", "second", "weekday"]),
];

/// Whether the input can hold something there. OPA would answer a slip of the pen with undefined, which `not` takes for yes.
fn known(path: &[String]) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        return Err("`input` is used as a whole; name the keys that are read".to_owned());
    };
    if !STABLE.contains(&key.as_str()) && !CIRCUMSTANCES.contains(&key.as_str()) {
        let all = STABLE.iter().chain(&CIRCUMSTANCES).copied().collect::<Vec<_>>().join(", ");
        return Err(format!("there is no `input.{key}`; there are: {all}"));
    }
    if key == "headers" {
        return known_header(rest.first());
    }
    let below = BELOW.iter().find(|(name, _)| name == key).map(|(_, below)| *below);
    match (below, rest.first()) {
        (Some(below), Some(next)) if !below.contains(&next.as_str()) => {
            Err(format!("there is no `input.{key}.{next}`; there are: {}", below.join(", ")))
        }
        _ => Ok(()),
    }
}

fn known_header(name: Option<&String>) -> Result<(), String> {
    let Some(name) = name else {
        return Err("`input.headers` is used as a whole; name the headers that are read".to_owned());
    };
    if let Some(message) = hidden(name) {
        return Err(message);
    }
    if name.is_empty() || name.chars().any(|c| c.is_ascii_uppercase() || !c.is_ascii_graphic()) {
        return Err(format!("`{name}` is no name of a header in lower case"));
    }
    Ok(())
}
