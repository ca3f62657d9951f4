//! Which members may pass where a rule names those that may?

use super::Walk;
use crate::sanitize::content::Action;
use crate::sanitize::content::report::Found;

/// A list of allowed members on the way into a value.
#[derive(Clone, Debug)]
pub(super) struct Open {
    rule: usize,
    /// Paths that may still lead somewhere, and their next step.
    paths: Vec<(usize, usize)>,
}

// === impl Walk ===

impl Walk<'_> {
    pub(super) fn all_opens(&self) -> Vec<Open> {
        let whole = |(paths, rule): &(Vec<_>, usize)| Open {
            rule: *rule,
            paths: (0..paths.len()).map(|path| (path, 0)).collect(),
        };
        self.plan.fields.iter().map(whole).collect()
    }

    /// What is left of the lists of allowed members within a member of this name; `None` if one of them does not allow it.
    pub(super) fn opens_below(&self, opens: &[Open], name: &str) -> Option<Vec<Open>> {
        let mut below = Vec::new();
        for open in opens {
            let (paths, _) = self.plan.fields.iter().find(|(_, rule)| *rule == open.rule)?;
            let steps = open.paths.iter().filter_map(|(path, step)| {
                paths.get(*path).and_then(|p| p.step(*step, name)).map(|ends| (*path, *step + 1, ends))
            });
            let steps: Vec<_> = steps.collect();
            if steps.is_empty() {
                return None;
            }
            if !steps.iter().any(|(_, _, ends)| *ends) {
                let paths = steps.into_iter().map(|(path, step, _)| (path, step)).collect();
                below.push(Open { rule: open.rule, paths });
            }
        }
        Some(below)
    }

    pub(super) fn count_field(&mut self, opens: &[Open]) {
        if let Some(open) = opens.first() {
            self.report.add(open.rule, Found::Field, Action::Drop);
        }
    }
}
