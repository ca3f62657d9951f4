//! Which members of a JSON object are meant? By name, however it is spelt, or by path.

use std::borrow::Cow;

/// A pattern of member names: letter case, `_`, `-` and spaces do not matter, `*` at either end stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberName {
    plain: String,
    open_left: bool,
    open_right: bool,
}

/// A path of members, `items.name`; `*` is any member, lists are passed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPath(pub Vec<String>);

// === impl MemberName ===

impl MemberName {
    /// Reads a pattern; `None` for one without a letter or digit, or with a `*` in the middle.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('*').unwrap_or(text);
        let inner = inner.strip_suffix('*').unwrap_or(inner);
        let plain = plain(inner).into_owned();
        let sound = !plain.is_empty() && !inner.contains('*') && !plain.chars().any(char::is_control);
        sound.then(|| Self { plain, open_left: text.starts_with('*'), open_right: text.ends_with('*') })
    }

    /// Whether it means a member of this name, given as [`plain`].
    pub(crate) fn means(&self, name: &str) -> bool {
        match (self.open_left, self.open_right) {
            (false, false) => name == self.plain,
            (true, false) => name.ends_with(&self.plain),
            (false, true) => name.starts_with(&self.plain),
            (true, true) => name.contains(&self.plain),
        }
    }
}

/// A name in lower case, without `_`, `-` and spaces.
pub(crate) fn plain(name: &str) -> Cow<'_, str> {
    // Most names are plain already, and each of an answer is looked at.
    if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Cow::Borrowed(name);
    }
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

// === impl MemberPath ===

impl MemberPath {
    /// Reads a path; `None` for an empty one or one with an empty step.
    pub fn parse(text: &str) -> Option<Self> {
        let steps: Vec<String> = text.split('.').map(str::to_owned).collect();
        let sound = steps.iter().all(|step| !step.is_empty() && (step == "*" || !step.contains('*')));
        sound.then_some(Self(steps))
    }

    /// How a member stands to the step of this number: `None` if it is not meant, else whether the path ends with it.
    pub(crate) fn step(&self, at: usize, name: &str) -> Option<bool> {
        let step = self.0.get(at)?;
        (step == "*" || step == name).then_some(at + 1 == self.0.len())
    }
}
