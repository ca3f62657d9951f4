//! Who is this subject now? A local user as configured, or what a provider said of somebody not too long ago.

use crate::app::Context;
use crate::clock::UnixTime;
use crate::config::{Rules, UpstreamConfig};
use crate::idp::Account;
use crate::store::StoreError;
use crate::store::grant::Grant;
use crate::store::records::UpstreamAccount;

/// `auth_time` of a grant whose user signed in somewhere, some time.
pub(super) const NOBODY_KNOWS: UnixTime = UnixTime(0);

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
    Ok(learned.filter(|one| still_counts(context, one, now)).map(account_of))
}

/// The account that tokens of a grant speak of; `None` once it is gone.
pub(crate) async fn of_grant(
    context: &Context,
    grant: &Grant,
    now: UnixTime,
) -> Result<Option<Account>, StoreError> {
    if grant.is_clients_own() {
        return Ok(Some(Account::of_client(&grant.client_id)));
    }
    match &grant.binding.asserted {
        Some(asserted) => Ok(is_trusted(context, asserted).then(|| account_of(asserted.clone()))),
        None => current(context, &grant.subject, now).await,
    }
}

/// When the user of a grant signed in, where that is known.
pub(super) fn auth_time(grant: &Grant) -> Option<UnixTime> {
    (!grant.is_clients_own() && grant.auth_time != NOBODY_KNOWS).then_some(grant.auth_time)
}

/// Keeps what a provider has just said; of an earlier word of it nothing is left.
pub(super) async fn learn(
    context: &Context,
    provider: &UpstreamConfig,
    account: Account,
    now: UnixTime,
) -> Result<(), StoreError> {
    let learned = said((&provider.id, &provider.rules), account, now);
    context.store.put_upstream_account(learned, now.plus(provider.remember_for)).await
}

/// Forgets what a provider said of somebody.
pub(super) async fn forget(context: &Context, subject: &str) -> Result<(), StoreError> {
    context.store.remove_upstream_account(subject).await
}

/// What somebody said, under the rules of the operator by which it was read.
pub(super) fn said((who, rules): (&str, &Rules), account: Account, now: UnixTime) -> UpstreamAccount {
    UpstreamAccount {
        provider: who.to_owned(),
        subject: account.subject,
        groups: account.groups,
        roles: account.roles,
        org: account.org,
        rules: rules.digest(),
        learned_at: now,
    }
}

fn account_of(said: UpstreamAccount) -> Account {
    let UpstreamAccount { subject, groups, roles, org, .. } = said;
    Account { subject, username: None, groups, roles, org }
}

/// Whether assertions of this issuer still count, and are read by the same rules.
fn is_trusted(context: &Context, asserted: &UpstreamAccount) -> bool {
    let issuer = context.config.identity_assertions.iter().find(|one| one.issuer == asserted.provider);
    issuer.is_some_and(|issuer| asserted.rules.matches(&issuer.rules.digest()))
}

fn still_counts(context: &Context, learned: &UpstreamAccount, now: UnixTime) -> bool {
    let provider = context.config.identity_providers.iter().find(|one| one.id == learned.provider);
    provider.is_some_and(|provider| {
        learned.subject.starts_with(&format!("{}#", provider.issuer))
            && learned.rules.matches(&provider.rules.digest())
            && now.since(learned.learned_at) < provider.remember_for
    })
}
