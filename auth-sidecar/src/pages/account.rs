//! What does a user see of their own account?

use askama::Template;

/// The page before a sign-in at a provider, when no client asks.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage<'a> {
    /// The issuer's path.
    pub(crate) base: &'a str,
    /// The provider, in URLs.
    pub(crate) id: &'a str,
    /// The provider, for people.
    pub(crate) label: &'a str,
    /// The handle of the waiting request.
    pub(crate) handle: &'a str,
    /// Binds the form to the browser.
    pub(crate) binding: &'a str,
}

/// What a user granted, and where they are signed in.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage<'a> {
    /// The issuer's path.
    pub(crate) base: &'a str,
    /// The user.
    pub(crate) user: &'a str,
    /// Binds the forms to the sign-in.
    pub(crate) binding: &'a str,
    /// What has just been done.
    pub(crate) message: Option<&'a str>,
    /// What they granted.
    pub(crate) grants: &'a [GrantCard],
    /// The rest of it begins after this grant.
    pub(crate) next: Option<&'a str>,
}

/// A grant, for its user.
pub(crate) struct GrantCard {
    /// Its id.
    pub(crate) id: String,
    /// What the client calls itself.
    pub(crate) client_name: String,
    /// Where the answer went; nowhere for a device.
    pub(crate) destination: Option<String>,
    /// For which resource servers.
    pub(crate) resources: Vec<String>,
    /// What was granted.
    pub(crate) scopes: Vec<String>,
    /// When.
    pub(crate) granted_at: Moment,
    /// When a token was last issued for it.
    pub(crate) used_at: Moment,
}

/// A moment, for people and for machines.
pub(crate) struct Moment {
    machine: String,
    people: String,
}

/// Does the user want to sign out?
#[derive(Template)]
#[template(path = "sign_out.html")]
pub(crate) struct SignOutPage<'a> {
    /// The issuer's path.
    pub(crate) base: &'a str,
    /// The user.
    pub(crate) user: &'a str,
    /// Binds the form to the sign-in.
    pub(crate) binding: &'a str,
    /// Where a client wants the browser to go then.
    pub(crate) destination: Option<&'a str>,
    /// What the form must say besides: names and values.
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

// === impl Moment ===

impl From<crate::clock::UnixTime> for Moment {
    fn from(time: crate::clock::UnixTime) -> Self {
        let machine = time.to_utc();
        let people = machine.replace('T', " ").replace('Z', " UTC");
        Self { machine, people }
    }
}
