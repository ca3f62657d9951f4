//! What is known between the head and the verdict?

use std::collections::BTreeSet;

use super::step::{Control, Take};
use super::{Exchange, Phase};
use crate::denial::Denial;
use crate::head::{Headers, PeerCertificate, RequestHead};
use crate::identity::credential::{Credential, Presented};
use crate::identity::dpop::Proof;
use crate::identity::jwt::{Fault, Verified};
use crate::identity::principal::Principal;
use crate::limits::held::Held;
use crate::limits::places::Crowded;
use crate::limits::room::Part;
use crate::limits::tag::Tag;
use crate::mcp::operation::Operation;
use crate::policy::rego::{Picked, headers_of};
use crate::server::Server;

/// A request of which not all is known.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What the body must agree with.
    pub(super) mirrors: Headers,
    pub(super) credential: Option<Credential>,
    /// The proof that came with it; of this request alone, so nothing remembers it.
    pub(super) proof: Option<Proof>,
    /// What the client showed on its connection, whatever the server makes of it.
    pub(super) certificate: Option<PeerCertificate>,
    /// That it was refused a moment ago.
    pub(super) refused: Option<Fault>,
    /// What is given back if the credential proves good.
    pub(super) took: Option<Take>,
    /// What the token proves, whoever shows it.
    pub(super) verified: Option<Verified>,
    /// That this was remembered.
    pub(super) remembered: bool,
    /// Whose buckets are asked before the request is judged.
    pub(super) paced: Vec<&'static str>,
    /// What all this takes of the VM's memory until the body has come.
    part: Part,
    size: usize,
    /// The arguments of the call, where anything judges them.
    pub(super) arguments: Option<Vec<u8>>,
    pub(super) principal: Option<Principal>,
    pub(super) keys_asked: bool,
    pub(super) issuer_asked: bool,
    pub(super) body_began: bool,
    pub(super) asked: Asked,
    /// What the server's policy will read of the arguments and of the head.
    pub(super) picked: Picked,
    pub(super) read_headers: Option<Vec<(String, String)>>,
}

/// The operation, as far as it is known.
#[derive(Debug)]
pub(super) enum Asked {
    /// It stands in a body that has not come yet.
    Unread,
    /// It is known, from the body or from the verb alone.
    Known(Operation),
}

// === impl Waiting ===

impl Waiting {
    /// After the head.
    ///
    /// # Errors
    /// [`Denial::Unavailable`] where too many wait already.
    pub(super) fn new(
        head: &RequestHead,
        presented: Option<Presented>,
        asked: Asked,
        held: &Held,
    ) -> Result<Self, Denial> {
        let mirrors = head.headers.beginning("mcp-");
        let (credential, proof) = presented.map(|p| (p.credential, p.proof)).unzip();
        let proof = proof.flatten();
        let mut part = held.waiting(Tag::asker(None, head.source.as_deref()));
        let token = credential.as_ref().map_or(0, |c| c.token().len());
        let shown = head.certificate.as_ref().map_or(0, PeerCertificate::size);
        let size = mirrors.size() + token + shown + proof.as_ref().map_or(0, Proof::size);
        part.set(size).map_err(crowded)?;
        Ok(Self {
            mirrors,
            credential,
            proof,
            certificate: head.certificate.clone(),
            refused: None,
            took: None,
            verified: None,
            remembered: false,
            paced: Vec::new(),
            part,
            size,
            arguments: None,
            principal: None,
            keys_asked: false,
            issuer_asked: false,
            body_began: false,
            asked,
            picked: Picked::default(),
            read_headers: None,
        })
    }

    /// Keeps of the head what the policies of the server read.
    ///
    /// # Errors
    /// [`Denial::Unavailable`] where too much waits already.
    pub(super) fn keep_headers(&mut self, server: &Server, headers: &Headers) -> Result<(), Denial> {
        let of_rego = server.rego.iter().flat_map(|rego| rego.header_names());
        let of_opa = server.opa.iter().flat_map(|opa| &opa.terms.headers);
        let names: BTreeSet<&String> = of_rego.chain(of_opa).collect();
        self.read_headers = headers_of(names, headers);
        let kept = self.read_headers.iter().flatten().map(|(name, value)| name.len() + value.len());
        self.grow(kept.sum())
    }

    /// The same for the arguments.
    ///
    /// # Errors
    /// [`Denial::Unavailable`] where too much waits already.
    pub(super) fn keep_picked(&mut self, picked: Picked) -> Result<(), Denial> {
        let size = picked.size();
        self.picked = picked;
        self.grow(size)
    }

    /// Keeps the arguments of the call until somebody can judge them.
    ///
    /// # Errors
    /// [`Denial::Unavailable`] where too much waits already.
    pub(super) fn keep_arguments(&mut self, arguments: &[u8]) -> Result<(), Denial> {
        self.grow(arguments.len())?;
        self.arguments = Some(arguments.to_vec());
        Ok(())
    }

    fn grow(&mut self, by: usize) -> Result<(), Denial> {
        self.size = self.size.saturating_add(by);
        self.part.set(self.size).map_err(crowded)
    }

    pub(super) fn expects_body(&self) -> bool {
        !self.body_began && matches!(self.asked, Asked::Unread)
    }

    /// What a record calls the bucket that was asked at this place.
    pub(super) fn paced_by(&self, at: usize) -> &'static str {
        self.paced.get(at).copied().unwrap_or_default()
    }
}

// === impl Exchange ===

impl Exchange {
    /// Waits for what is not known yet. What that holds counts for whoever asks once he is known: an address stands for all behind one
    /// NAT or one balancer, of whom none shall take the room of the others. Until then it counts for the address, which may so
    /// hold half of all.
    ///
    /// # Errors
    /// [`Denial::Unavailable`] where too much of his waits already.
    pub(super) fn wait(&mut self, mut waiting: Box<Waiting>) -> Result<Control, Denial> {
        waiting.part.belongs_to(self.asker()).map_err(crowded)?;
        self.phase = Phase::Waiting(waiting);
        Ok(Control::Hold)
    }
}

const fn crowded(why: Crowded) -> Denial {
    Denial::Unavailable(match why {
        Crowded::All => "room for waiting requests",
        Crowded::Own => "room for more waiting requests of one caller",
    })
}
