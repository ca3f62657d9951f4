//! Who is this subject now? A local user as configured, or what a provider said of somebody not too long ago.

use crate::app::Context;
use crate::clock::UnixTime;
use crate::config::UpstreamConfig;
use crate::idp::Account;
use crate::store::StoreError;
use crate::store::grant::Grant;
use crate::store::records::UpstreamAccount;

/// The account of a subject; `None` once it is gone, and then nothing is issued to it any more. What a provider said is
/// gone when it is older than `remember_for`, and when the provider or its rules have changed since.
pub(crate) async fn current(
    context: &Context,
    subject: &str,
    now: UnixTime,
) -> Result<Option<Account>, StoreError> {
    if let Some(local) = context.accounts.account(subject) {
        return Ok(Some(local));
    }
    if context.config.identity_providers.is_empty() {
        return Ok(None);
    }
    let learned = context.store.upstream_account(subject, now).await?;
    let learned = learned.filter(|one| one.subject == subject);
    Ok(learned.filter(|one| still_counts(context, one, now)).map(|one| Account {
        subject: one.subject,
        username: None,
        groups: one.groups,
        roles: one.roles,
        org: one.org,
    }))
}

/// The account that tokens of a grant speak of; `None` once it is gone.
pub(crate) async fn of_grant(
    context: &Context,
    grant: &Grant,
    now: UnixTime,
) -> Result<Option<Account>, StoreError> {
    match grant.is_clients_own() {
        true => Ok(Some(Account::of_client(&grant.client_id))),
        false => current(context, &grant.subject, now).await,
    }
}

/// Keeps what a provider has just said; of an earlier word of it nothing is left.
pub(super) async fn learn(
    context: &Context,
    provider: &UpstreamConfig,
    account: Account,
    now: UnixTime,
) -> Result<(), StoreError> {
    let learned = UpstreamAccount {
        provider: provider.id.clone(),
        subject: account.subject,
        groups: account.groups,
        roles: account.roles,
        org: account.org,
        rules: provider.rules.digest(),
        learned_at: now,
    };
    context.store.put_upstream_account(learned, now.plus(provider.remember_for)).await
}

/// Forgets what a provider said of somebody.
pub(super) async fn forget(context: &Context, subject: &str) -> Result<(), StoreError> {
    context.store.remove_upstream_account(subject).await
}

fn still_counts(context: &Context, learned: &UpstreamAccount, now: UnixTime) -> bool {
    let provider = context.config.identity_providers.iter().find(|one| one.id == learned.provider);
    provider.is_some_and(|provider| {
        learned.subject.starts_with(&format!("{}#", provider.issuer))
            && learned.rules.matches(&provider.rules.digest())
            && now.since(learned.learned_at) < provider.remember_for
    })
}
