//! Does the text use what is read otherwise here than in OPA, and cannot be told from the compiled program any more?

use regorus::Engine;
use regorus::unstable::{Rule, RuleHead, Span};

use super::{Refusal, Source};

/// Refuses defaults of functions, names with dots, and negated bodies, which OPA 1.22 has and the machine has not.
pub(super) fn judge(engine: &mut Engine, sources: &[Source]) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut say = |span: &Span, message: &str| {
        let file = span.source.get_path();
        found.push(Refusal {
            source: sources.iter().position(|source| source.name == *file),
            message: format!("{file}:{}: {message}", span.line),
        });
    };
    for module in engine.get_modules() {
        for import in &module.imports {
            if import.refr.span().text() == "future.keywords.not" {
                say(&import.span, "negated bodies (`not {…}`); name the rule that is negated");
            }
        }
        for rule in &module.policy {
            let name = match rule.as_ref() {
                Rule::Default { span, args, refr, .. } => {
                    if !args.is_empty() {
                        say(span, "a default of a function; give it an `else` instead");
                    }
                    refr
                }
                Rule::Spec { head, .. } => match head {
                    RuleHead::Compr { refr, .. }
                    | RuleHead::Set { refr, .. }
                    | RuleHead::Func { refr, .. } => refr,
                },
            };
            if name.span().text().contains('.') {
                say(name.span(), "the name of a rule has a dot in it; use `_`, or another package");
            }
        }
    }
    found
}
