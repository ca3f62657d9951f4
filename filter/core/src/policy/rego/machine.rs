//! What comes of one run of a program? The virtual machine, with its bounds, and what it did wrong.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use regorus::Value;
use regorus::rvm::RegoVM;
use regorus::rvm::program::{DeserializationResult, Program};
use regorus::rvm::vm::VmError;
use regorus::utils::limits::{ExecutionTimerConfig, TimeSource, set_time_source};

use super::arguments::value_of;
use super::guarded;
use super::packed::{ALLOW, MOST_DATA, Packed, VISIBLE};

/// Longer no answer may take, whatever its instructions cost.
const LONGEST: Duration = Duration::from_millis(50);
/// After so many instructions the clock is looked at.
const BETWEEN_LOOKS: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// Which rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Allow,
    Visible,
}

/// A loaded program.
pub(super) struct Machine {
    vm: RegoVM,
    program: Arc<Program>,
    data: Value,
    instructions: u32,
    /// That it could not be set up again: `not data.x` would be true where the data are missing.
    broken: bool,
}

/// What the adapter's clock says.
struct Clock(OnceLock<fn() -> Option<Duration>>);
static CLOCK: Clock = Clock(OnceLock::new());

impl TimeSource for Clock {
    fn now(&self) -> Option<Duration> {
        self.0.get().and_then(|clock| clock())
    }
}

/// Bounds the time of each answer by this clock, which never goes back; without one only instructions are counted.
pub fn keep_time_by(clock: fn() -> Option<Duration>) {
    // Whoever came first is as good.
    let _ = CLOCK.0.set(clock);
    let _ = set_time_source(&CLOCK);
}

/// The program that `packed` holds: complete, of this very version, and of admitted built-ins only.
///
/// # Errors
/// What it is instead.
pub(super) fn unpack(packed: &Packed) -> Result<Program, String> {
    let result = Program::deserialize_binary(&packed.program)
        .map_err(|_| "this is no compiled program of this version: render the policy again".to_owned())?;
    let DeserializationResult::Complete(mut program) = result else {
        return Err(
            "the program is of another version, or needs what this module lacks: render the policy again"
                .to_owned(),
        );
    };
    let entries = [Some(ALLOW), packed.visible.then_some(VISIBLE)];
    let there: Vec<&str> = program.entry_points.keys().map(String::as_str).collect();
    if there != entries.into_iter().flatten().collect::<Vec<_>>() || program.has_host_await {
        return Err("the program has other entry points than `allow` and `visible`".to_owned());
    }
    guarded::guard(&mut program).map_err(|what| format!("the program calls {what}"))?;
    Ok(program)
}

/// The data documents that `packed` holds.
///
/// # Errors
/// They are not what is rendered.
pub(super) fn data_of(packed: &Packed) -> Result<Value, String> {
    let Some(text) = &packed.data else { return Ok(Value::new_object()) };
    let data = Some(text).filter(|text| text.len() <= MOST_DATA).and_then(|text| value_of(text));
    data.filter(|data| data.as_object().is_ok())
        .ok_or_else(|| format!("the data documents are no object of at most {MOST_DATA} bytes"))
}

// === impl Machine ===

impl Machine {
    /// One that is ready to be asked.
    ///
    /// # Errors
    /// The data stand where rules are.
    pub(super) fn new(program: Program, data: Value, instructions: u32) -> Result<Self, String> {
        let program = Arc::new(program);
        let vm = loaded(&program, &data, instructions)
            .ok_or("the data documents stand where the policy has rules: render the policy again")?;
        Ok(Self { vm, program, data, instructions, broken: false })
    }

    /// Runs one rule.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) fn ask(&mut self, entry: Entry, input: Value) -> Result<Value, &'static str> {
        if self.broken {
            return Err("an error of the machine");
        }
        guarded::begin();
        self.vm.set_input(input);
        let result = self.vm.execute_entry_point_by_index(match entry {
            Entry::Allow => 0,
            Entry::Visible => 1,
        });
        self.vm.set_input(Value::Undefined);
        if result.is_err() {
            // What it was doing then is of no use to anybody.
            match loaded(&self.program, &self.data, self.instructions) {
                Some(vm) => self.vm = vm,
                None => self.broken = true,
            }
        }
        if guarded::has_failed() {
            return Err("an error inside the policy");
        }
        result.map_err(|error| match error {
            VmError::InstructionLimitExceeded { .. } => "too many instructions",
            VmError::TimeLimitExceeded { .. } => "too much time",
            VmError::RegexSizeLimitExceeded { .. } => "too large a pattern",
            VmError::NumericOverflow { .. } => "a number out of range",
            _ => "an error of the machine",
        })
    }
}

fn loaded(program: &Arc<Program>, data: &Value, instructions: u32) -> Option<RegoVM> {
    let mut vm = RegoVM::new();
    vm.load_program(Arc::clone(program));
    vm.set_data(data.clone()).ok()?;
    vm.set_max_instructions(usize::try_from(instructions).unwrap_or(usize::MAX));
    vm.set_execution_timer_config(Some(ExecutionTimerConfig {
        limit: LONGEST,
        check_interval: BETWEEN_LOOKS,
    }));
    Some(vm)
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Machine")
    }
}
