//! What is a token of a grant for, and what may it do there? At most what was granted, and of that what the configuration still
//! has and gives this client.

use crate::app::Context;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::scope::ScopeSet;
use crate::store::grant::Grant;

/// Audience and scope of one access token.
pub(crate) struct Narrowing {
    /// For whom it is; never empty.
    pub(crate) resources: Vec<String>,
    /// What it may do there.
    pub(crate) scope: ScopeSet,
}

// === impl Narrowing ===

impl Narrowing {
    /// Of a grant, for a request that may name resources (RFC 8707 section 2.2) and that asks for these scopes, if for any.
    ///
    /// # Errors
    /// Those of [`resource::narrowed`]; `invalid_scope` when more is asked for than was granted, or nothing is left.
    pub(crate) fn of(
        context: &Context,
        client: &Client,
        grant: &Grant,
        params: &Params,
        asked: Option<ScopeSet>,
    ) -> Result<Self, OAuthError> {
        let configured = &context.config.resources;
        let resources =
            resource::narrowed(params, &grant.resources, configured, context.config.issuer.as_str())?;
        let mut available = grant.scope.and(&resource::available_scopes(&resources, configured));
        // The operator may have taken some away since.
        if let Some(ceiling) = &client.scope_ceiling {
            available = available.and(ceiling);
        }
        let scope = match asked {
            None => available,
            Some(asked) if asked.is_subset_of(&grant.scope) => asked.and(&available),
            Some(_) => return Err(ErrorCode::InvalidScope.because("the scope exceeds what was granted")),
        };
        if scope.is_empty() && !grant.scope.is_empty() {
            return Err(
                ErrorCode::InvalidScope.because("none of the scopes is there for this resource and client")
            );
        }
        Ok(Self { resources, scope })
    }
}
