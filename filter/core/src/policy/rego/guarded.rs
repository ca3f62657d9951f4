//! Does an error inside a rule stay an error? The machine turns it into "undefined", which `not` takes for yes; so every
//! built-in and every arithmetic operator is run by functions of ours, which remember that one failed.
//!
//! As OPA does with `--strict-builtin-errors`; other than OPA's default, nothing is decided on such a request but "no".

use std::cell::Cell;
use std::sync::OnceLock;

use regorus::Value;
use regorus::rvm::Instruction;
use regorus::rvm::instructions::BuiltinCallParams;
use regorus::rvm::program::{BuiltinInfo, Program};
use regorus::unstable::BuiltinFcn;

use super::admitted::ADMITTED;
use super::texts;

thread_local! {
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// How many built-ins there is room for.
const SLOTS: usize = 64;
static ORIGINALS: [OnceLock<BuiltinFcn>; SLOTS] = [const { OnceLock::new() }; SLOTS];

/// An operator between two numbers; `None` is an error.
type Operator = fn(&Value, &Value) -> Option<Value>;

/// Forgets what failed before.
pub(super) fn begin() {
    FAILED.set(false);
}

/// Whether something failed since [`begin`].
pub(super) fn has_failed() -> bool {
    FAILED.get()
}

/// Puts our functions in the place of the machine's.
///
/// # Errors
/// The name of a built-in that is not admitted.
pub(super) fn guard(program: &mut Program) -> Result<(), String> {
    if program.resolved_builtins.len() != program.builtin_info_table.len() {
        return Err("a built-in that this module lacks".to_owned());
    }
    let wrappers = wrappers();
    for (info, resolved) in program.builtin_info_table.iter().zip(&mut program.resolved_builtins) {
        let slot = ADMITTED.iter().position(|admitted| admitted.name == info.name);
        let place = slot.and_then(|slot| wrappers.get(slot).zip(ORIGINALS.get(slot)));
        let Some((wrapper, original)) = place else {
            return Err(format!("the built-in `{}`, which is not admitted", info.name));
        };
        original.get_or_init(|| *resolved);
        *resolved = (wrapper.0, resolved.1);
    }
    guard_operators(program)
}

/// Replaces operators that can fail by calls of functions that tell so.
fn guard_operators(program: &mut Program) -> Result<(), String> {
    let first = program.builtin_info_table.len();
    for (name, function) in operators() {
        program.builtin_info_table.push(BuiltinInfo { name: name.to_owned(), num_args: 2 });
        program.resolved_builtins.push(function);
    }
    let mut instructions = std::mem::take(&mut program.instructions);
    for instruction in &mut instructions {
        let (which, dest, left, right) = match *instruction {
            Instruction::Add { dest, left, right } => (0, dest, left, right),
            Instruction::Sub { dest, left, right } => (1, dest, left, right),
            Instruction::Mul { dest, left, right } => (2, dest, left, right),
            Instruction::Div { dest, left, right } => (3, dest, left, right),
            Instruction::Mod { dest, left, right } => (4, dest, left, right),
            _ => continue,
        };
        let builtin_index = u16::try_from(first + which).map_err(|_| "too many built-ins".to_owned())?;
        if program.instruction_data.builtin_call_params.len() >= usize::from(u16::MAX) {
            return Err("too many operators".to_owned());
        }
        let args = [left, right, 0, 0, 0, 0, 0, 0];
        let params = BuiltinCallParams { dest, builtin_index, num_args: 2, args };
        let params_index = program.instruction_data.add_builtin_call_params(params);
        *instruction = Instruction::BuiltinCall { params_index };
    }
    program.instructions = instructions;
    Ok(())
}

fn operators() -> [(&'static str, BuiltinFcn); 5] {
    [
        ("gateway.plus", (|_, _, args, _| Ok(operate(args, plus)), 2)),
        ("gateway.minus", (|_, _, args, _| Ok(operate(args, minus)), 2)),
        ("gateway.times", (|_, _, args, _| Ok(operate(args, times)), 2)),
        ("gateway.divided", (|_, _, args, _| Ok(operate(args, divided)), 2)),
        ("gateway.remainder", (|_, _, args, _| Ok(operate(args, remainder)), 2)),
    ]
}

fn operate(args: &[Value], operator: Operator) -> Value {
    let result = match args {
        [left, right] => operator(left, right),
        _ => None,
    };
    result.unwrap_or_else(|| {
        FAILED.set(true);
        Value::Undefined
    })
}

/// Numbers beyond this many bits are no amounts that a policy compares, and each product doubles them.
const MOST_BITS: u64 = 4096;

fn sound(value: Value) -> Option<Value> {
    let big = value.as_number().ok().and_then(|number| number.as_big());
    if big.is_some_and(|big| big.bits() > MOST_BITS) { None } else { Some(value) }
}

fn plus(left: &Value, right: &Value) -> Option<Value> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return None };
    left.add(right).ok().map(Value::from).and_then(sound)
}

fn minus(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.sub(right).ok().map(Value::from).and_then(sound),
        (Value::Set(left), Value::Set(right)) => Some(left.difference(right).into_value()),
        _ => None,
    }
}

fn times(left: &Value, right: &Value) -> Option<Value> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return None };
    left.mul(right).ok().map(Value::from).and_then(sound)
}

fn divided(left: &Value, right: &Value) -> Option<Value> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return None };
    if right.as_f64() == Some(0.0) {
        return None;
    }
    left.clone().divide(right).ok().map(Value::from).and_then(sound)
}

fn remainder(left: &Value, right: &Value) -> Option<Value> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return None };
    if right.as_f64() == Some(0.0) || !left.is_integer() || !right.is_integer() {
        return None;
    }
    left.clone().modulo(right).ok().map(Value::from)
}

/// JSON's form of a number, as OPA's `to_number` wants it; the machine's takes `1_0` and spaces, too.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let exponent = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    let short = text.len() <= 64 && exponent.is_none_or(|e| e.len() <= 3);
    short
        && digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

/// Whether a built-in may be run on these.
fn admits(slot: usize, args: &[Value]) -> bool {
    let name = ADMITTED.get(slot).map_or("", |admitted| admitted.name);
    match (name, args) {
        ("to_number", [Value::String(text)]) => is_number(text),
        ("sprintf", [Value::String(format), Value::Array(values)]) => {
            let verbs = texts::verbs(format).unwrap_or_default();
            let is_whole = |value: &Value| matches!(value, Value::Number(number) if number.is_integer());
            verbs.iter().zip(values.iter()).all(|(verb, value)| *verb != 'd' || is_whole(value))
        }
        _ => true,
    }
}

/// What a built-in answers for which the machine has another answer than OPA; `None` for all others. An inner `None` is an error.
fn replaced(slot: usize, args: &[Value]) -> Option<Option<Value>> {
    texts::answer(ADMITTED.get(slot).map_or("", |admitted| admitted.name), args)
}

macro_rules! slots {
    ($($slot:literal)*) => {
        [$((|span, expressions, args, _| {
            if let Some(answer) = replaced($slot, args) {
                FAILED.set(FAILED.get() || answer.is_none());
                return Ok(answer.unwrap_or(Value::Undefined));
            }
            let original = ORIGINALS.get($slot).and_then(OnceLock::get).filter(|_| admits($slot, args));
            let Some(original) = original else {
                FAILED.set(true);
                return Ok(Value::Undefined);
            };
            // Strictly: else some answer "undefined" to what is an error.
            let result = (original.0)(span, expressions, args, true);
            if result.is_err() {
                FAILED.set(true);
            }
            result
        }, 0)),*]
    };
}

fn wrappers() -> [BuiltinFcn; SLOTS] {
    slots!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40
           41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_every_built_in() {
        assert!(ADMITTED.len() <= SLOTS);
    }

    #[test]
    fn a_number_is_written_as_one() {
        let slot = ADMITTED.iter().position(|admitted| admitted.name == "sprintf").unwrap();
        for (values, admitted) in [("[7, \"x\"]", true), ("[\"7\", \"x\"]", false), ("[1.5, \"x\"]", false)] {
            let args = [Value::from("%d %s"), Value::from_json_str(values).unwrap()];
            assert_eq!(admits(slot, &args), admitted, "{values}");
        }
    }

    #[test]
    fn a_number_is_what_json_calls_so() {
        for number in ["0", "-1", "10.50", "1e9", "2E-7", "-0.1"] {
            assert!(is_number(number), "{number}");
        }
        for other in ["", "-", "01", "1.", ".5", "1_0", " 1", "1e", "1e9999", "0x1", "Infinity", "+1", "1,0"]
        {
            assert!(!is_number(other), "{other}");
        }
    }
}
