//! Which built-ins may run on what strangers send? Those whose cost and result are bounded by what they are given, or by what
//! the policy itself says. Everything else is refused when a policy is compiled, and again when a program is loaded.

use super::packed::Module;

/// What is asked of the arguments of a built-in, and which module has it.
#[cfg_attr(not(feature = "rego-compiler"), expect(dead_code, reason = "asked when a policy is compiled"))]
pub(super) struct Admitted {
    pub(super) name: &'static str,
    /// Arguments that must be written in the policy.
    pub(super) written: &'static [usize],
    pub(super) module: Module,
}

const fn plain(name: &'static str) -> Admitted {
    Admitted { name, written: &[], module: Module::Rego }
}

const fn written(name: &'static str, written: &'static [usize]) -> Admitted {
    Admitted { name, written, module: Module::Rego }
}

const fn pattern(name: &'static str, written: &'static [usize]) -> Admitted {
    Admitted { name, written, module: Module::RegoRegex }
}

/// Built-ins of OPA that are admitted.
pub(super) const ADMITTED: &[Admitted] = &[
    plain("abs"),
    plain("ceil"),
    plain("floor"),
    plain("round"),
    plain("count"),
    plain("max"),
    plain("min"),
    plain("sum"),
    plain("sort"),
    plain("array.concat"),
    plain("array.reverse"),
    plain("array.slice"),
    plain("intersection"),
    plain("union"),
    plain("object.get"),
    plain("object.keys"),
    plain("object.subset"),
    plain("concat"),
    plain("contains"),
    plain("endswith"),
    plain("startswith"),
    plain("indexof"),
    plain("lower"),
    plain("upper"),
    plain("split"),
    plain("substring"),
    plain("trim"),
    plain("trim_left"),
    plain("trim_prefix"),
    plain("trim_right"),
    plain("trim_space"),
    plain("trim_suffix"),
    plain("strings.any_prefix_match"),
    plain("strings.any_suffix_match"),
    plain("strings.reverse"),
    written("replace", &[1, 2]),
    written("sprintf", &[0]),
    plain("to_number"),
    plain("is_array"),
    plain("is_boolean"),
    plain("is_null"),
    plain("is_number"),
    plain("is_object"),
    plain("is_set"),
    plain("is_string"),
    plain("type_name"),
    // How operators between sets are compiled.
    plain("__builtin_sets.intersection"),
    plain("__builtin_sets.union"),
    pattern("regex.match", &[0]),
    pattern("glob.match", &[0, 1]),
];

// === impl Admitted ===

#[cfg(feature = "rego-compiler")]
impl Admitted {
    /// The one of that name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ADMITTED.iter().find(|admitted| admitted.name == name)
    }
}
