//! Where does what a server gets in place of the client's token come from? By a callout to the authorization server, for a request that
//! waits.

use std::rc::Rc;

use wicketgate_core::identity::upstream_credential::{Question, UpstreamCredential};

use crate::metrics::Metrics;
use crate::question::{self, Asked, Kind, Whose};
use crate::root::Active;
use crate::sidecar::NotSent;

const KIND: Kind = Kind {
    under_way: |active, server| active.credentials.get(server),
    failed: Metrics::credential_failed,
    failure: "no credential for a server",
};

/// Asks on behalf of a request.
pub(crate) fn ask(active: &Rc<Active>, question: &Question, whose: Whose<'_>) -> Result<Asked, NotSent> {
    active.metrics.credential_asked();
    send(active, question, whose).inspect_err(|_| active.metrics.credential_failed())
}

fn send(active: &Rc<Active>, question: &Question, whose: Whose<'_>) -> Result<Asked, NotSent> {
    let server = active.guard.servers.get(question.server).ok_or(NotSent::Away)?;
    let Some(UpstreamCredential::Given(source)) = &server.credential else { return Err(NotSent::Away) };
    question::ask(active, (&KIND, question.server), &source.at, &question.body, whose).map(|(_, asked)| asked)
}
