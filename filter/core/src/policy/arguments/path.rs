//! Which arguments does a rule name? `limit`, `filter.limit`, `items[]`, `items[].url`.

/// A way from the arguments of a call to the values that a rule means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentPath {
    text: String,
    steps: Vec<Step>,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the member of this name.
    Member(String),
    /// To every item of a list.
    Items,
}

/// The most steps of one path: what a request may nest is a few more.
const MAX_STEPS: usize = 16;

// === impl ArgumentPath ===

impl ArgumentPath {
    /// Reads names joined by `.`, each followed by `[]` as often as lists lie within lists.
    ///
    /// # Errors
    /// A phrase that says what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let name = part.trim_end_matches("[]");
            if name.is_empty() || name.contains(['[', ']']) || name.chars().any(char::is_control) {
                return Err(
                    "is the path of an argument: names joined by `.`, `[]` behind a list: `items[].url`",
                );
            }
            steps.push(Step::Member(name.to_owned()));
            let lists = (part.len() - name.len()) / 2;
            steps.extend(std::iter::repeat_n(Step::Items, lists));
        }
        if steps.len() > MAX_STEPS {
            return Err("is too long: at most 16 steps");
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// As the configuration writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The steps, in order; never empty.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_and_lists() {
        let member = |name: &str| Step::Member(name.to_owned());
        for (text, steps) in [
            ("a", vec![member("a")]),
            ("a.b c", vec![member("a"), member("b c")]),
            ("a[].b", vec![member("a"), Step::Items, member("b")]),
            ("a[][]", vec![member("a"), Step::Items, Step::Items]),
        ] {
            assert_eq!(ArgumentPath::parse(text).unwrap().steps(), steps, "{text}");
        }
        for bad in ["", ".", "a.", ".a", "[]", "a[0]", "a[", "a]", "a..b", "a\n", "a[]b", &"a.".repeat(17)] {
            assert!(ArgumentPath::parse(bad).is_err(), "{bad}");
        }
        assert!(ArgumentPath::parse(&["a"; 16].join(".")).is_ok());
        assert!(ArgumentPath::parse(&["a"; 17].join(".")).is_err());
    }
}
