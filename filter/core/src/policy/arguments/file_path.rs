//! Does a path lead where it says? Only paths that every file system, decoder and shell reads alike can lie within a base.

/// A folder, at or below which a path must lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Whether it begins at the root.
    absolute: bool,
    /// `srv/notes`; empty for the root itself, or for all relative paths.
    folder: String,
}

// === impl Base ===

impl Base {
    /// An absolute folder (`/srv/notes`, `/`), or one relative to where the server works (`notes`, `.`).
    ///
    /// # Errors
    /// A phrase that says what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let plain = "is not in plain form: `/srv/notes`, `/`, `notes` or `.`, without `..`, `//`, `%`, `~`, a backslash \
                     or a `/` at its end";
        if matches!(text, "/" | ".") {
            return Ok(Self { absolute: text == "/", folder: String::new() });
        }
        let folder = text.strip_prefix('/').unwrap_or(text);
        if text.is_empty() || folder.ends_with('/') || !is_plain(text) {
            return Err(plain);
        }
        Ok(Self { absolute: text.starts_with('/'), folder: folder.to_owned() })
    }

    /// Whether `path` lies at or below one of `bases`; an error where readers may differ about where it lies.
    pub(super) fn any_holds(bases: &[Self], path: &str) -> Result<bool, ()> {
        if !is_plain(path) {
            return Err(());
        }
        if bases.iter().any(|base| base.holds(path)) {
            return Ok(true);
        }
        // Where the server works, nobody here knows: a relative path may lead below an absolute base.
        let comparable = bases.iter().all(|base| base.absolute == path.starts_with('/'));
        if comparable { Ok(false) } else { Err(()) }
    }

    fn holds(&self, path: &str) -> bool {
        let inner = match (self.absolute, path.strip_prefix('/')) {
            (true, Some(inner)) => inner,
            (false, None) => path,
            _ => return false,
        };
        self.folder.is_empty()
            || inner
                .strip_prefix(self.folder.as_str())
                .is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

/// Whether every reader takes `path` for the same place. Links are followed by none of us.
fn is_plain(path: &str) -> bool {
    if path.is_empty() || path.chars().any(is_treacherous) {
        return false;
    }
    // Empty at the root alone, and after a slash at the end.
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let first = inner.split('/').next().unwrap_or_default();
    if path != "/" && inner.split('/').any(is_odd) {
        return false;
    }
    // `~user` is somebody's home to a shell, `C:` a drive, `file:` a URL.
    path.starts_with('/') || !(first.starts_with('~') || first.contains(':'))
}

/// A segment that some reader takes for no name of its own: none, `.`, `..`, more dots, dots and spaces at its end (which
/// Windows leaves off), a space before it; what follows `;` and `:` is a parameter or a stream to some, and left off.
fn is_odd(segment: &str) -> bool {
    let name = segment.split([';', ':']).next().unwrap_or_default();
    [segment, name].iter().any(|s| s.is_empty() || s.ends_with(['.', ' ']) || s.starts_with(' '))
}

/// Characters that end a path for some reader, begin an encoding, separate segments, or that are read as one of these when
/// Unicode is normalized; and those that no reader shows or some file systems leave out.
const fn is_treacherous(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\\' | '%'
        // Dots: leaders, ellipsis, small and full-width full stop, ideographic full stops.
        | '\u{2024}'..='\u{2026}' | '\u{fe52}' | '\u{ff0e}' | '\u{3002}' | '\u{ff61}' | '\u{fe19}' | '\u{fe30}'
        // Slashes: fraction, division, big and mathematical solidus, full-width ones, their reverses.
        | '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{29f5}' | '\u{29f9}' | '\u{2216}' | '\u{ff0f}' | '\u{ff3c}' | '\u{fe68}'
        // Percent signs.
        | '\u{ff05}' | '\u{fe6a}' | '\u{066a}'
        // Tilde and colon.
        | '\u{ff5e}' | '\u{ff1a}' | '\u{fe55}' | '\u{fe13}'
        // White space that is none to a file system, but to who trims.
        | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        // Joiners, marks of direction, fillers, variation selectors, tags, and half of nothing.
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}
