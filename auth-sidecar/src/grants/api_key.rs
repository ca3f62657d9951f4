//! What is an API key worth? It stands for claims like those of an access token, and is asked about like an opaque one.

use std::time::Duration;

use serde::Deserialize;

use super::clients;
use crate::app::Context;
use crate::audit::{Act, Event};
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::claims::{AccessClaims, Audience};
use crate::oauth::error::ErrorCode;
use crate::oauth::metadata_document;
use crate::oauth::scope::ScopeSet;
use crate::secret::{Digest, Kind, Opaque, grant_id_of, random_text};
use crate::store::StoreError;
use crate::store::api_key::ApiKey;

/// No name that people give is longer.
const LONGEST_NAME: usize = 128;
/// Longer lists of groups and roles would not fit into anybody's rules.
const MOST_LABELS: usize = 100;
/// How long an old secret may work beside a new one.
const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What an operator asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    name: String,
    /// A client, or else a service account.
    client_id: Option<String>,
    service_account: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    resources: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    org: Option<String>,
    /// Seconds.
    expires_in: Option<u64>,
}

/// Makes a key; the secret is shown this once.
pub(crate) async fn create(
    context: &Context,
    wanted: Wanted,
    now: UnixTime,
) -> Result<(ApiKey, Opaque), Failure> {
    let (owner, is_clients) = owner(context, &wanted, now).await?;
    let resources = resources(context, &wanted.resources)?;
    let id = random_text::<16>()?;
    let secret = Opaque::for_grant(Kind::ApiKey, &id)?;
    let api_key = ApiKey {
        id,
        name: plain(&wanted.name, "name")?,
        owner,
        is_clients,
        scope: scope(context, &wanted.scopes, &resources)?,
        resources,
        groups: labels(wanted.groups, "groups")?,
        roles: labels(wanted.roles, "roles")?,
        org: wanted.org.map(|org| plain(&org, "org")).transpose()?,
        secret: secret.digest(),
        previous: None,
        created_at: now,
        rotated_at: now,
        expires_at: now.plus(lifetime(context, wanted.expires_in.map(Duration::from_secs))?),
        last_used_at: None,
        revoked_at: None,
    };
    context.store.put_api_key(&api_key, now).await?;
    context.audit.write(&about(Act::ApiKeyCreated, &api_key));
    Ok((api_key, secret))
}

/// Gives a key a new secret, shown this once.
pub(crate) async fn rotate(
    context: &Context,
    id: &str,
    overlap: Duration,
    now: UnixTime,
) -> Result<Option<(ApiKey, Opaque)>, Failure> {
    if overlap > LONGEST_OVERLAP {
        return Err(refused("overlap is at most 30 days"));
    }
    let secret = Opaque::for_grant(Kind::ApiKey, id)?;
    let rotated = context.store.rotate_api_key(id, secret.digest(), overlap, now).await?;
    if let Some(api_key) = &rotated {
        context.audit.write(&about(Act::ApiKeyRotated, api_key));
    }
    Ok(rotated.map(|api_key| (api_key, secret)))
}

/// An act, concerning a key: its tokens name it as their grant, and its owner as their subject.
fn about(act: Act, api_key: &ApiKey) -> Event<'_> {
    let client = api_key.is_clients.then_some(api_key.owner.as_str());
    act.event().client(client).subject(api_key.owner.as_str()).grant(&api_key.id)
}

/// The claims that it stands for, while it and its client live.
pub(super) async fn claims(
    context: &Context,
    presented: &str,
    now: UnixTime,
) -> Result<Option<AccessClaims>, StoreError> {
    let Some(id) = grant_id_of(Kind::ApiKey, presented) else { return Ok(None) };
    let Some(api_key) = context.store.api_key(id, now).await? else { return Ok(None) };
    let Some(secret) = api_key.admits(&Digest::of(presented), now) else { return Ok(None) };
    if api_key.is_clients && !clients::exists(context, &api_key.owner, now).await? {
        return Ok(None);
    }
    // What was withdrawn from its owner is withdrawn from the secrets of until then.
    let withdrawn = context.store.withdrawn(&api_key.owner, &api_key.owner, now).await?;
    if secret.made_at < withdrawn.grants_before {
        return Ok(None);
    }
    // Most uses are no news, and cost no second look at the record.
    if api_key.is_use_news(now)
        && let Err(error) = context.store.note_api_key_use(id, now).await
    {
        // The question was whether it is good.
        tracing::error!(event = "api_key_use_not_noted", id, %error);
    }
    Ok(Some(AccessClaims {
        iss: context.config.issuer.as_str().to_owned(),
        sub: api_key.owner.clone(),
        aud: Audience::of(api_key.resources),
        exp: secret.until,
        iat: secret.made_at,
        jti: api_key.id.clone(),
        client_id: api_key.owner,
        scope: api_key.scope,
        grant_id: api_key.id,
        grant_client_id: None,
        auth_time: None,
        groups: api_key.groups,
        roles: api_key.roles,
        org: api_key.org,
        cnf: None,
    }))
}

/// A client acts in its own name, with what it is known by; a service account is nobody else.
async fn owner(context: &Context, wanted: &Wanted, now: UnixTime) -> Result<(String, bool), Failure> {
    match (&wanted.client_id, &wanted.service_account) {
        (Some(id), None) if !wanted.groups.is_empty() || !wanted.roles.is_empty() || wanted.org.is_some() => {
            Err(refused(format!("groups, roles and org are for service accounts; {id} is a client")))
        }
        (Some(id), None) if clients::exists(context, id, now).await? => Ok((id.clone(), true)),
        (Some(_), None) => Err(refused("client_id is not the id of a client")),
        (None, Some(name)) => {
            let name = plain(name, "service_account")?;
            let is_taken = context.accounts.account(&name).is_some()
                || metadata_document::is_url(&name)
                || clients::exists(context, &name, now).await?;
            if is_taken {
                Err(refused("service_account is the name of a user or a client"))
            } else {
                Ok((name, false))
            }
        }
        _ => Err(refused("name one of client_id and service_account")),
    }
}

fn resources(context: &Context, named: &[String]) -> Result<Vec<String>, Failure> {
    let known = |url: &String| context.config.resources.exactly(url).is_some();
    match named.iter().find(|url| !known(url)) {
        Some(url) => Err(refused(format!("resources: {url} is not configured"))),
        None if named.is_empty() => Err(refused("resources is empty")),
        None => Ok(named.to_vec()),
    }
}

/// What each of these scopes means must be known to a resource of the key.
fn scope(context: &Context, named: &[String], resources: &[String]) -> Result<ScopeSet, Failure> {
    let scope = ScopeSet::from_list(named).map_err(|why| refused(format!("scopes: {why}")))?;
    let known = resources.iter().filter_map(|url| context.config.resources.exactly(url));
    let all = known.fold(ScopeSet::default(), |all, resource| all.or(&resource.scopes));
    if scope.is_subset_of(&all) { Ok(scope) } else { Err(refused("scopes: one is not of these resources")) }
}

fn lifetime(context: &Context, wanted: Option<Duration>) -> Result<Duration, Failure> {
    let most = context.config.lifetimes.api_key;
    match wanted {
        None => Ok(most),
        Some(wanted) if wanted.as_secs() > 0 && wanted <= most => Ok(wanted),
        Some(_) => {
            Err(refused(format!("expires_in lies between 1 and {} (lifetimes.api_key)", most.as_secs())))
        }
    }
}

fn labels(labels: Vec<String>, member: &str) -> Result<Vec<String>, Failure> {
    if labels.len() > MOST_LABELS {
        return Err(refused(format!("{member} has more than {MOST_LABELS}")));
    }
    labels.iter().map(|label| plain(label, member)).collect()
}

fn plain(text: &str, member: &str) -> Result<String, Failure> {
    let is_plain = !text.is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control);
    if is_plain {
        Ok(text.to_owned())
    } else {
        Err(refused(format!("{member} is 1 to 128 printable characters")))
    }
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::Refused(ErrorCode::InvalidRequest.because(why))
}
