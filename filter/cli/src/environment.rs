//! What do `${NAME}` and `${NAME:-default}` in a text stand for?

/// Replaces every reference in `text`. `lookup` gives the value of a variable, if it is set. A default holds for a
/// variable that is unset or empty; `$${` becomes `${`.
///
/// # Errors
/// A phrase that names the variable that is unset, or the reference that is not closed or not well named.
pub(crate) fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(plain) = before.strip_suffix('$') {
            out.push_str(plain);
            out.push_str("${");
            rest = after;
            continue;
        }
        let (reference, tail) = after
            .split_once('}')
            .ok_or_else(|| format!("`${{{after}` is not closed; write $${{ for a plain ${{"))?;
        let (name, default) = reference.split_once(":-").map_or((reference, None), |(n, d)| (n, Some(d)));
        if !is_name(name) {
            return Err(format!(
                "`${{{reference}}}` is no reference; accepted are ${{NAME}} and ${{NAME:-default}}"
            ));
        }
        out.push_str(before);
        match (lookup(name).filter(|v| default.is_none() || !v.is_empty()), default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err(format!("the environment variable {name} is not set, and has no default here"));
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_slips_are_refused() {
        let lookup = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, expected) in [
            ("plain $A $", Ok("plain $A $")),
            ("x${A}y${A}", Ok("x1y1")),
            ("${EMPTY}", Ok("")),
            ("${EMPTY:-d}", Ok("d")),
            ("${B:-http://h:1}/x", Ok("http://h:1/x")),
            ("${B:-}", Ok("")),
            ("$${A}", Ok("${A}")),
            ("${B}", Err("the environment variable B is not set, and has no default here")),
            ("${A", Err("`${A` is not closed; write $${ for a plain ${")),
            ("${1A}", Err("`${1A}` is no reference; accepted are ${NAME} and ${NAME:-default}")),
            ("${}", Err("`${}` is no reference; accepted are ${NAME} and ${NAME:-default}")),
        ] {
            assert_eq!(expand(text, &lookup), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
