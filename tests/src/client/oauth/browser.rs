//! What does a person do between the authorization request and the redirect? Signs in and decides, in whatever pages
//! the server shows: forms are recognized by their fields, not by their place.

use std::collections::BTreeMap;

use url::Url;

use crate::client::forms::Form;
use crate::client::http::{Answer, Http};
use crate::failure::Context as _;
use crate::ready::Login;
use crate::{Failure, Result};

/// More pages and redirects than this are a loop.
const MOST_STEPS: usize = 12;

/// Cookies and a view on one page at a time.
#[derive(Debug)]
pub struct Browser {
    http: Http,
    cookies: BTreeMap<String, String>,
}

// === impl Browser ===

impl Browser {
    /// A browser without history.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self { http, cookies: BTreeMap::new() }
    }

    /// Visits the URL, signs in where asked (once), approves or denies where asked, and returns the first redirect that
    /// leads to `redirect_uri`.
    ///
    /// # Errors
    /// A page without a form that we know, a login that is refused, or a server that answers an error.
    pub async fn decide(
        &mut self,
        url: &str,
        login: &Login,
        redirect_uri: &str,
        approve: bool,
    ) -> Result<Url> {
        let mut page = Url::parse(url).context(|| format!("not a URL: {url}"))?;
        let mut answer = self.get(&page).await?;
        let mut signed_in = false;
        for _ in 0..MOST_STEPS {
            if (300..400).contains(&answer.status) {
                page = location(&page, &answer)?;
                if page.as_str().starts_with(redirect_uri) {
                    return Ok(page);
                }
                answer = self.get(&page).await?;
                continue;
            }
            if answer.status != 200 {
                return Err(Failure::new(format!(
                    "{} answered {}: {}",
                    page.path(),
                    answer.status,
                    words(&answer)
                )));
            }
            let mut form = Form::parse(&answer.text())?;
            let pairs = if form.has("password") {
                if signed_in {
                    return Err(Failure::new(format!("the login of `{}` was refused", login.user)));
                }
                signed_in = true;
                form.fill("username", &login.user)?;
                form.fill("password", &login.password)?;
                form.submit(None)?
            } else {
                form.submit(Some(("decision", if approve { "approve" } else { "deny" })))?
            };
            (page, answer) = self.post(&page, &form, &pairs).await?;
        }
        Err(Failure::new(format!("no redirect to the client after {MOST_STEPS} pages")))
    }

    /// Shows a page.
    ///
    /// # Errors
    /// No answer came.
    pub async fn get(&mut self, url: &Url) -> Result<Answer> {
        let cookies = self.cookie_header();
        let mut fields = vec![("accept", "text/html")];
        fields.extend(cookies.as_deref().map(|cookies| ("cookie", cookies)));
        let answer = self.http.get(url.as_str(), &fields).await?;
        self.keep_cookies(&answer);
        Ok(answer)
    }

    /// Submits a form that stood on `page`; gives the URL that it went to.
    ///
    /// # Errors
    /// No answer came.
    pub async fn post(
        &mut self,
        page: &Url,
        form: &Form,
        pairs: &[(String, String)],
    ) -> Result<(Url, Answer)> {
        let target = if form.action.is_empty() { Ok(page.clone()) } else { page.join(&form.action) };
        let target = target.context(|| format!("not a URL: {}", form.action))?;
        let (cookies, origin) = (self.cookie_header(), page.origin().ascii_serialization());
        let mut fields =
            vec![("accept", "text/html"), ("origin", origin.as_str()), ("referer", page.as_str())];
        fields.extend(cookies.as_deref().map(|cookies| ("cookie", cookies)));
        let answer = self.http.post_form(target.as_str(), &fields, pairs).await?;
        self.keep_cookies(&answer);
        Ok((target, answer))
    }

    /// What it sends as `Cookie`, once it has any.
    #[must_use]
    pub fn cookie_header(&self) -> Option<String> {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { Some(pairs.join("; ")) }
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn location(page: &Url, answer: &Answer) -> Result<Url> {
    let location = answer.header("location").unwrap_or_default();
    page.join(location).context(|| format!("{} redirects to `{location}`", page.path()))
}

/// A page's text in one short line.
fn words(answer: &Answer) -> String {
    let page = scraper::Html::parse_document(&answer.text());
    let text: Vec<_> = page.root_element().text().flat_map(str::split_whitespace).take(40).collect();
    text.join(" ")
}
