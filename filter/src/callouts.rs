//! Which callouts of one kind are under way, and what for? By the token that the host gave; few, so a list does, and costs the
//! module less than a map of each kind.

/// What each is about.
pub(crate) struct Callouts<T>(Vec<(u32, T)>);

// === impl Callouts ===

impl<T> Callouts<T> {
    pub(crate) fn begin(&mut self, token: u32, about: T) {
        self.0.push((token, about));
    }

    /// What the one was about whose answer has come; `None` if it is none of these.
    pub(crate) fn end(&mut self, token: u32) -> Option<T> {
        let at = self.0.iter().position(|(of, _)| *of == token)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(crate) fn any(&self, is: impl Fn(&T) -> bool) -> bool {
        self.0.iter().any(|(_, about)| is(about))
    }
}

impl<T> Default for Callouts<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
