//! How is an HTML form filled in? By the names of its fields, as a person's browser would send it: hidden fields as they
//! stand, one submit button.

use scraper::{ElementRef, Html, Selector};

use crate::failure::Context as _;
use crate::{Failure, Result};

/// A form as it stands in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its `action`; empty means the page's own URL.
    pub action: String,
    /// Its `method`, in lower case.
    pub method: String,
    fields: Vec<(String, String)>,
    buttons: Vec<(String, String)>,
}

// === impl Form ===

impl Form {
    /// The first form of the page that posts.
    ///
    /// # Errors
    /// There is none; the page's title is said, which tells an error page.
    pub fn parse(html: &str) -> Result<Self> {
        let page = Html::parse_document(html);
        let forms = selector("form")?;
        let mut parsed = Vec::new();
        for form in page.select(&forms) {
            parsed.push(Self::read(form)?);
        }
        parsed.into_iter().find(|form| form.method == "post").ok_or_else(|| {
            let title = selector("title, h1").ok().and_then(|title| page.select(&title).next());
            let title = title.map(|title| title.text().collect::<String>()).unwrap_or_default();
            Failure::new(format!("the page `{}` has no form to fill in", title.trim()))
        })
    }

    /// Whether it has a field of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// Whether it has a button of this name and value.
    #[must_use]
    pub fn has_button(&self, name: &str, value: &str) -> bool {
        self.buttons.iter().any(|button| button == &(name.to_owned(), value.to_owned()))
    }

    /// Sets a field.
    ///
    /// # Errors
    /// It has no field of this name.
    pub fn fill(&mut self, name: &str, value: &str) -> Result<()> {
        let field = self.fields.iter_mut().find(|(field, _)| field == name);
        let field = field.ok_or_else(|| Failure::new(format!("the form has no field `{name}`")))?;
        value.clone_into(&mut field.1);
        Ok(())
    }

    /// What is sent when it is submitted with this button, or without one.
    ///
    /// # Errors
    /// It has no such button.
    pub fn submit(&self, button: Option<(&str, &str)>) -> Result<Vec<(String, String)>> {
        let mut pairs = self.fields.clone();
        if let Some((name, value)) = button {
            if !self.has_button(name, value) {
                return Err(Failure::new(format!("the form has no button `{name}={value}`")));
            }
            pairs.push((name.to_owned(), value.to_owned()));
        }
        Ok(pairs)
    }

    fn read(form: ElementRef<'_>) -> Result<Self> {
        let attribute =
            |element: ElementRef<'_>, name: &str| element.attr(name).unwrap_or_default().to_owned();
        let mut read = Self {
            action: attribute(form, "action"),
            method: attribute(form, "method").to_lowercase(),
            fields: Vec::new(),
            buttons: Vec::new(),
        };
        for input in form.select(&selector("input, button, select, textarea")?) {
            let (name, value) = (attribute(input, "name"), attribute(input, "value"));
            if name.is_empty() || input.attr("disabled").is_some() {
                continue;
            }
            let kind = attribute(input, "type").to_lowercase();
            match (input.value().name(), kind.as_str()) {
                ("button", "" | "submit") | ("input", "submit") => read.buttons.push((name, value)),
                ("button", _) | ("input", "button" | "reset" | "image" | "file") => {}
                ("input", "checkbox" | "radio") if input.attr("checked").is_none() => {}
                ("input", "checkbox" | "radio") if value.is_empty() => read.fields.push((name, "on".into())),
                ("textarea", _) => read.fields.push((name, input.text().collect())),
                ("select", _) => read.fields.push((name, chosen(input)?)),
                _ => read.fields.push((name, value)),
            }
        }
        Ok(read)
    }
}

/// The selected option, else the first.
fn chosen(select: ElementRef<'_>) -> Result<String> {
    let options = selector("option")?;
    let mut all = select.select(&options);
    let first = all.next();
    let selected = first.into_iter().chain(all).find(|option| option.attr("selected").is_some()).or(first);
    Ok(selected.and_then(|option| option.attr("value")).unwrap_or_default().to_owned())
}

fn selector(css: &'static str) -> Result<Selector> {
    Selector::parse(css).context(|| format!("not a selector: {css}"))
}

#[cfg(test)]
mod tests {
    use super::Form;

    const LOGIN: &str = r#"<!doctype html><title>Sign in</title>
        <form action="/search"><input name="q"></form>
        <form method="POST" action="/login?x=1&amp;y=2">
          <input type="hidden" name="csrf" value="a&quot;b">
          <label>Name <input name="username" required></label>
          <input type="password" name="password"><input type="checkbox" name="remember">
          <input type="checkbox" name="terms" checked><input name="off" value="1" disabled>
          <select name="lang"><option value="de">D<option value="en" selected>E</select>
          <textarea name="note">hi</textarea><button>Sign in</button>
        </form>"#;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_login_form_is_sent_as_a_browser_would() {
        let mut form = Form::parse(LOGIN).unwrap();
        assert_eq!(form.action, "/login?x=1&y=2");
        form.fill("username", "alice").unwrap();
        form.fill("password", "p&w").unwrap();
        let expected = [
            ("csrf", "a\"b"),
            ("username", "alice"),
            ("password", "p&w"),
            ("terms", "on"),
            ("lang", "en"),
            ("note", "hi"),
        ];
        assert_eq!(form.submit(None).unwrap(), pairs(&expected));
    }

    #[test]
    fn a_consent_form_is_sent_with_the_button_that_was_pressed() {
        let page = r#"<form method=post><input type=hidden name=t value=1>
            <button name="decision" value="approve">Allow</button>
            <button type="submit" name="decision" value="deny">Deny</button><button type=button name=x></button></form>"#;
        let form = Form::parse(page).unwrap();
        assert_eq!(
            form.submit(Some(("decision", "deny"))).unwrap(),
            pairs(&[("t", "1"), ("decision", "deny")])
        );
        assert!(form.has_button("decision", "approve") && !form.has_button("x", ""));
        assert!(form.submit(Some(("decision", "later"))).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let page = Form::parse("<title> Not today </title><p>no</p>").unwrap_err().to_string();
        assert_eq!(page, "the page `Not today` has no form to fill in");
        let field = Form::parse(LOGIN).unwrap().fill("otp", "1").unwrap_err().to_string();
        assert_eq!(field, "the form has no field `otp`");
    }
}
