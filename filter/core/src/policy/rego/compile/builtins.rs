//! Does the program call only what may run on what strangers send, and with constants where these must stand?

use super::Faults;
use super::flow::{Flow, Held};
use crate::policy::rego::admitted::Admitted;
use crate::policy::rego::packed::Module;
use crate::policy::rego::texts;

/// Refuses what is not admitted, and says which module has the rest.
pub(super) fn judge(flow: &Flow, faults: &mut Faults<'_>) -> Module {
    let mut module = Module::Rego;
    for call in &flow.builtins {
        let Some(admitted) = Admitted::named(&call.name) else {
            let message =
                format!("the built-in `{}` is not admitted; see the list in CONFIGURATION.md", call.name);
            faults.at(call.at, &message);
            continue;
        };
        module = module.max(admitted.module);
        for at in admitted.written {
            if !matches!(call.arguments.get(*at), Some(Some(Held::Literal(_)))) {
                let message = format!(
                    "argument {} of `{}` must be written here as a constant: what is computed could take any time",
                    at + 1,
                    call.name
                );
                faults.at(call.at, &message);
            }
        }
        if let (true, Some(Some(Held::Literal(format)))) = (call.name == "sprintf", call.arguments.first())
            && texts::verbs(format.as_string().map_or("", |text| text)).is_none()
        {
            faults.at(
                call.at,
                "a format has the verbs `%s`, `%d` and `%v` only, and nothing within them but zeros and a width before `d` (`%03d`)",
            );
        }
        if let Some(why) = fault_of_pattern(&call.name, &call.arguments) {
            faults.at(call.at, &format!("no pattern: {why}"));
        }
        if let (true, Some(Some(Held::Literal(pattern)))) =
            (call.name == "glob.match", call.arguments.first())
            && ["{,", ",}", ",,", "{}"]
                .iter()
                .any(|empty| pattern.as_string().is_ok_and(|text| text.contains(empty)))
        {
            faults.at(call.at, "an empty alternative, which matches otherwise in OPA");
        }
    }
    module
}

/// What is wrong with the pattern that a call is given.
fn fault_of_pattern(name: &str, arguments: &[Option<Held>]) -> Option<String> {
    match (name, arguments) {
        ("glob.match", [Some(Held::Literal(pattern)), Some(Held::Literal(delimiters)), ..]) => {
            texts::glob::fault(pattern.as_string().ok()?, delimiters)
        }
        ("regex.match", [Some(Held::Literal(pattern)), ..]) => texts::regex::fault(pattern.as_string().ok()?),
        _ => None,
    }
}
