//! Does the program call only what may run on what strangers send, and with constants where these must stand?

use super::Faults;
use super::flow::{Flow, Held};
use crate::policy::rego::admitted::Admitted;
use crate::policy::rego::packed::Module;

/// The widest field of a format, in digits of its number.
const MOST_DIGITS: usize = 3;

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
            && is_wide(format.as_string().map_or("", |text| text))
        {
            faults.at(
                call.at,
                "a format has the verbs `%s`, `%d` and `%v` only, no `*`, and no width beyond three digits",
            );
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

/// Whether a format makes more of its values than they are, or writes numbers otherwise than OPA.
fn is_wide(format: &str) -> bool {
    let mut rest = format.split('%').skip(1);
    while let Some(part) = rest.next() {
        let flags =
            part.split(|c: char| !(c.is_ascii_digit() || "+-# .*[]".contains(c))).next().unwrap_or_default();
        let wide = flags.contains('*')
            || flags.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > MOST_DIGITS);
        match part.get(flags.len()..).and_then(|verb| verb.chars().next()) {
            // `%%`: what follows is text.
            None if part.is_empty() => drop(rest.next()),
            Some('s' | 'd' | 'v') if !wide => {}
            _ => return true,
        }
    }
    false
}
