//! How is a policy asked that lies elsewhere? By a callout to the OPA of a server, for a request that waits.

use std::rc::Rc;

use wicketgate_core::policy::rego::opa::Question;

use crate::metrics::Metrics;
use crate::question::{self, Asked, Kind, Whose};
use crate::root::Active;
use crate::sidecar::NotSent;

const KIND: Kind = Kind {
    under_way: |active, server| active.policies.get(server),
    failed: Metrics::policy_failed,
    failure: "the OPA of a server did not answer",
};

/// Asks the policy of the server with this index.
pub(crate) fn ask(
    active: &Rc<Active>,
    server: usize,
    question: &Question,
    whose: Whose<'_>,
) -> Result<Asked, NotSent> {
    active.metrics.policy_asked();
    let opa = active.guard.servers.get(server).and_then(|server| server.opa.as_ref());
    let sent = opa.ok_or(NotSent::Away);
    let sent = sent.and_then(|opa| question::ask(active, (&KIND, server), &opa.place, &question.body, whose));
    sent.map(|(_, asked)| asked).inspect_err(|_| active.metrics.policy_failed())
}
