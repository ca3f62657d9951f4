//! What does a person see? Pages without script, whose every value is escaped.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::app::Context;

mod account;

pub(crate) use self::account::{AccountPage, GrantCard, SignInPage, SignOutPage};

/// The style sheet of all pages; the operator may add to it (`pages.style`).
pub(crate) const STYLE: &str = include_str!("style.css");

/// Name and password, or a provider.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'a> {
    /// The issuer's path.
    pub(crate) base: &'a str,
    /// The handle of the waiting request.
    pub(crate) handle: &'a str,
    /// What the client calls itself; without one the user goes to their account.
    pub(crate) client_name: Option<&'a str>,
    /// Who is expected (`login_hint`).
    pub(crate) name: &'a str,
    /// What went wrong the last time.
    pub(crate) message: Option<&'a str>,
    /// Whether there are names and passwords.
    pub(crate) local: bool,
    /// Providers: id and label.
    pub(crate) providers: &'a [(&'a str, &'a str)],
}

/// On whose behalf a client asks.
#[derive(Clone, Copy)]
pub(crate) enum OnBehalfOf<'a> {
    /// Of this user, who is signed in.
    User(&'a str),
    /// Of whoever will be signed in by this provider.
    SignsInAt {
        /// The provider, in URLs.
        id: &'a str,
        /// The provider, for people.
        label: &'a str,
        /// Whether there is another way to sign in.
        other_ways: bool,
    },
}

/// Who asks for what.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    /// The issuer's path.
    pub(crate) base: &'a str,
    /// The handle of the waiting request.
    pub(crate) handle: &'a str,
    /// Binds the form to the sign-in.
    pub(crate) binding: &'a str,
    /// What the client calls itself.
    pub(crate) client_name: &'a str,
    /// Whether anybody could have registered under that name.
    pub(crate) self_registered: bool,
    /// The host that publishes the description of the client, where one does.
    pub(crate) publisher: Option<&'a str>,
    /// Where the answer goes.
    pub(crate) destination: &'a str,
    /// Whether a device asks, which gets its answer by asking.
    pub(crate) is_device: bool,
    /// Whether that is a program on the user's own machine.
    pub(crate) is_loopback: bool,
    /// For whom.
    pub(crate) asker: OnBehalfOf<'a>,
    /// What is asked for.
    pub(crate) scopes: &'a [&'a str],
    /// For which resource servers.
    pub(crate) resources: &'a [String],
}

/// What does the device show?
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage<'a> {
    /// The issuer's path.
    pub(crate) base: &'a str,
    /// The code of the link that the user followed.
    pub(crate) code: &'a str,
    /// What went wrong the last time.
    pub(crate) message: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "done.html")]
struct DonePage<'a> {
    base: &'a str,
    heading: &'a str,
    message: &'a str,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    base: &'a str,
    message: &'a str,
}

/// The login page; `redirect_uri` is where its form may lead in the end.
pub(crate) fn login(status: StatusCode, page: &LoginPage<'_>, redirect_uri: &str) -> Response {
    render(status, page, form_targets(redirect_uri))
}

/// The consent page.
pub(crate) fn consent(status: StatusCode, page: &ConsentPage<'_>, redirect_uri: &str) -> Response {
    render(status, page, form_targets(redirect_uri))
}

/// The consent page before a sign-in at the provider that is at `issuer`: its form leads there first.
pub(crate) fn approval(
    status: StatusCode,
    page: &ConsentPage<'_>,
    redirect_uri: &str,
    issuer: &str,
) -> Response {
    let onward = form_targets(issuer).replace("'self' ", "");
    let targets = form_targets(redirect_uri);
    let named = targets.split(' ').any(|target| target == onward);
    render(status, page, if named { targets } else { format!("{targets} {onward}") })
}

/// The page before a sign-in at the provider that is at `issuer`, when no client asks.
pub(crate) fn sign_in(page: &SignInPage<'_>, issuer: &str) -> Response {
    render(StatusCode::OK, page, form_targets(issuer))
}

/// The account page.
pub(crate) fn account(page: &AccountPage<'_>) -> Response {
    apart(render(StatusCode::OK, page, "'self'".into()))
}

/// The page that asks whether the user wants to sign out; `redirect_uri` is where its form may lead in the end.
pub(crate) fn sign_out(page: &SignOutPage<'_>, redirect_uri: Option<&str>) -> Response {
    render(StatusCode::OK, page, redirect_uri.map_or_else(|| "'self'".into(), form_targets))
}

/// The page on which a user types a device's code.
pub(crate) fn device(status: StatusCode, page: &DevicePage<'_>) -> Response {
    apart(render(status, page, "'self'".into()))
}

/// A page at which a flow ends.
pub(crate) fn done(context: &Context, status: StatusCode, heading: &str, message: &str) -> Response {
    render(status, &DonePage { base: context.config.issuer.path(), heading, message }, "'none'".into())
}

/// A page that says what went wrong.
pub(crate) fn error(context: &Context, status: StatusCode, message: &str) -> Response {
    render(status, &ErrorPage { base: context.config.issuer.path(), message }, "'none'".into())
}

/// Cut off from whoever opened it. Not so the pages of a client's flow: many open them in a window of their own, and would take it
/// for closed, or never hear of the answer.
fn apart(mut page: Response) -> Response {
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    page.headers_mut().insert(opener, HeaderValue::from_static("same-origin"));
    page
}

fn render(status: StatusCode, page: &impl Template, form_action: String) -> Response {
    let Ok(html) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    let Ok(policy) = HeaderValue::from_str(&policy) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // Not `no-referrer`: that turns the Origin of our own form posts into `null`.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, Html(html)).into_response()
}

/// Where the form of a page may lead. Chromium holds `form-action` against every redirect that follows the post: to
/// the client, and to wherever the client goes on from there. So an https client opens https; a loopback client opens
/// its own origin, or all of http where the host is an IPv6 literal, which a policy cannot name.
fn form_targets(redirect_uri: &str) -> String {
    let Ok(url) = url::Url::parse(redirect_uri) else { return "'self'".into() };
    match (url.scheme(), url.host()) {
        ("http", Some(url::Host::Ipv6(_))) => "'self' http:".into(),
        ("http", Some(_)) => format!("'self' {}", url.origin().ascii_serialization()),
        (scheme, _) => format!("'self' {scheme}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_calls_itself_is_escaped() {
        let page = LoginPage {
            base: "",
            handle: "h",
            client_name: Some("<script>x</script>\"'"),
            name: "",
            message: None,
            local: true,
            providers: &[("x", "<script>")],
        };
        let html = page.render().unwrap();
        assert!(!html.contains("<script>") && html.contains("&#60;script&#62;"), "{html}");
    }

    #[test]
    fn forms_may_lead_to_the_client() {
        assert_eq!(form_targets("https://app.example/cb"), "'self' https:");
        assert_eq!(form_targets("http://127.0.0.1:3000/cb"), "'self' http://127.0.0.1:3000");
        assert_eq!(form_targets("http://[::1]:3000/cb"), "'self' http:");
        assert_eq!(form_targets("com.example.app:/cb"), "'self' com.example.app:");
    }
}
