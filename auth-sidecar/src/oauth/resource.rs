//! For whom is the token, and what may it do there? Resource indicators (RFC 8707) become audience and scopes.

use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::openid;
use super::params::Params;
use super::scope::ScopeSet;
use crate::config::{Resource, Resources};

const MOST_RESOURCES: usize = 8;

/// The resources that an authorization request names, as configured; the implied one when it names none.
///
/// # Errors
/// `invalid_target` for an unknown one, for too many, and for none where none is implied.
pub fn requested(params: &Params, resources: &Resources) -> Result<Vec<String>, OAuthError> {
    let mut urls = Vec::new();
    for indicator in params.all("resource") {
        let resource = resources.named(indicator).ok_or_else(unknown)?;
        if !urls.contains(&resource.url) {
            urls.push(resource.url.clone());
        }
    }
    if urls.len() > MOST_RESOURCES {
        return Err(ErrorCode::InvalidTarget.because("too many resources are named"));
    }
    match (urls.is_empty(), resources.implied()) {
        (false, _) => Ok(urls),
        (true, Some(implied)) => Ok(vec![implied.url.clone()]),
        (true, None) => {
            Err(ErrorCode::InvalidTarget.because("resource is missing and there is more than one"))
        }
    }
}

/// The same, and ourselves for a mere sign-in: a request that names no resource and asks for nothing that one has. Its
/// token is for the userinfo endpoint.
///
/// # Errors
/// Those of [`requested`].
pub fn requested_or_own(
    params: &Params,
    resources: &Resources,
    issuer: &str,
) -> Result<Vec<String>, OAuthError> {
    let scope = params.get("scope").and_then(|text| ScopeSet::parse(text).ok()).unwrap_or_default();
    let is_sign_in = scope.contains(openid::OPENID) && scope.is_subset_of(&openid::scopes());
    match requested(params, resources) {
        Err(_) if is_sign_in && params.all("resource").next().is_none() => Ok(vec![issuer.to_owned()]),
        requested => requested,
    }
}

/// The audience of a token: what the token request names, else everything that was granted; of it what there still is. The
/// `issuer` is what a mere sign-in is for.
///
/// # Errors
/// `invalid_target` for one that was not granted or is not there, `invalid_grant` when nothing is left.
pub fn narrowed(
    params: &Params,
    granted: &[String],
    resources: &Resources,
    issuer: &str,
) -> Result<Vec<String>, OAuthError> {
    let mut urls = Vec::new();
    for indicator in params.all("resource") {
        let url =
            resources.named(indicator).map(|resource| &resource.url).filter(|url| granted.contains(url));
        let url = url.ok_or_else(unknown)?;
        if !urls.contains(url) {
            urls.push(url.clone());
        }
    }
    if urls.is_empty() {
        let is_there = |url: &&String| *url == issuer || resources.exactly(url).is_some();
        urls = granted.iter().filter(is_there).cloned().collect();
    }
    match urls.is_empty() {
        true => Err(ErrorCode::InvalidGrant.because("nothing that it was granted for is there any more")),
        false => Ok(urls),
    }
}

/// The scopes that a request names; `None` where it names none, be it by a blank parameter (RFC 6749 section 3.3 knows no empty
/// scope).
///
/// # Errors
/// `invalid_scope` when they are malformed.
pub fn asked_scope(params: &Params) -> Result<Option<ScopeSet>, OAuthError> {
    let asked = params.get("scope").map(ScopeSet::parse).transpose();
    let asked = asked.map_err(|why| ErrorCode::InvalidScope.because(why))?;
    Ok(asked.filter(|asked| !asked.is_empty()))
}

/// The scopes that an authorization request asks for: what these resources have and the client may ask. What is
/// unknown is left out rather than refused (RFC 6749 section 3.3): clients add `offline_access` and others unasked,
/// the consent page shows what is left, and the token response states it.
///
/// # Errors
/// `invalid_scope` when it is malformed, or nothing is left of what the request named or would get by default.
pub fn requested_scope(
    params: &Params,
    client: &Client,
    urls: &[String],
    resources: &Resources,
) -> Result<ScopeSet, OAuthError> {
    let mut available = available_scopes(urls, resources);
    if let Some(ceiling) = &client.scope_ceiling {
        available = available.and(ceiling);
    }
    let Some(asked) = asked_scope(params)? else {
        let preferred = client.default_scope.as_ref().map(|scope| scope.and(&available));
        let scope = match preferred.filter(|scope| !scope.is_empty()) {
            Some(scope) => openid::without_stray(scope),
            None => default_scopes(urls, resources).and(&available),
        };
        return something(scope, urls, resources);
    };
    let scope = openid::without_stray(asked.and(&available));
    if scope.is_empty() {
        return Err(ErrorCode::InvalidScope.because("none of the scopes exists for this resource and client"));
    }
    Ok(scope)
}

/// These scopes of these resources. None at all is for where nothing is given by default either: a token that may do nothing is no
/// answer to who may not have any.
///
/// # Errors
/// `invalid_scope` for none where there could be some.
pub fn something(scope: ScopeSet, urls: &[String], resources: &Resources) -> Result<ScopeSet, OAuthError> {
    match scope.is_empty() && !default_scopes(urls, resources).is_empty() {
        true => Err(ErrorCode::InvalidScope.because("this client may have no scope of this resource")),
        false => Ok(scope),
    }
}

/// What a client may have there without a user at hand: nobody signs in, so there is nobody to tell about (`openid`).
#[must_use]
pub fn without_user(client: &Client, target: &Resource) -> ScopeSet {
    let scopes = target.scopes.without(&openid::scopes());
    client.scope_ceiling.as_ref().map_or(scopes.clone(), |ceiling| scopes.and(ceiling))
}

/// The scopes of an identity assertion (what the resource server gives by default, where it names none) that the resource
/// server has and the client may have; of these what the request names, if it names any.
///
/// # Errors
/// `invalid_grant` when the assertion is good for nothing there, `invalid_scope` when the request is malformed or names
/// nothing of it.
pub fn asserted_scope(
    params: &Params,
    asserted: Option<&ScopeSet>,
    client: &Client,
    target: &Resource,
) -> Result<ScopeSet, OAuthError> {
    let held = asserted.unwrap_or(&target.default_scopes);
    let granted = held.and(&without_user(client, target));
    if granted.is_empty() && !(held.is_empty() && target.scopes.is_empty()) {
        return Err(
            ErrorCode::InvalidGrant.because("no scope of the assertion exists for its resource and client")
        );
    }
    let Some(asked) = asked_scope(params)? else { return Ok(granted) };
    let scope = asked.and(&granted);
    if scope.is_empty() {
        return Err(ErrorCode::InvalidScope.because("none of the scopes is in the assertion"));
    }
    Ok(scope)
}

/// Everything that these resources have, and what OpenID Connect knows.
#[must_use]
pub fn available_scopes(urls: &[String], resources: &Resources) -> ScopeSet {
    let found = urls.iter().filter_map(|url| resources.exactly(url));
    found.fold(openid::scopes(), |all, resource| all.or(&resource.scopes))
}

fn default_scopes(urls: &[String], resources: &Resources) -> ScopeSet {
    let found = urls.iter().filter_map(|url| resources.exactly(url));
    found.fold(ScopeSet::default(), |all, resource| all.or(&resource.default_scopes))
}

fn unknown() -> OAuthError {
    ErrorCode::InvalidTarget.because("the resource is unknown, or was not granted")
}
