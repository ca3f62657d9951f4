//! What is written down? Every act of this list, once each time that it happens.

use std::fmt;

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, as somebody who may ask for it wanted.
    Success,
    /// Not done, or noticed and answered by taking something away.
    Refused,
}

/// The list, of which the type, its names and its outcomes are made.
macro_rules! acts {
    ($($(#[doc = $meaning:literal])+ $act:ident = $name:literal, $outcome:ident;)+) => {
        /// A security-relevant act. The README's table says the same of each; a test compares them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Act {
            $($(#[doc = $meaning])+ $act,)+
        }

        // === impl Act ===

        impl Act {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$act),+];

            /// What it is called in a record.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$act => $name,)+ }
            }

            /// How it ended.
            #[must_use]
            pub const fn outcome(self) -> Outcome {
                match self { $(Self::$act => Outcome::$outcome,)+ }
            }
        }
    };
}

acts! {
    /// A user showed who they are, here or at a provider.
    SignedIn = "signed_in", Success;
    /// Name and password do not belong together.
    SignInFailed = "sign_in_failed", Refused;
    /// Too many attempts for this account or from this address.
    SignInThrottled = "sign_in_throttled", Refused;
    /// What came back from a provider of identity signs nobody in.
    UpstreamSignInRefused = "upstream_sign_in_refused", Refused;
    /// A user allowed a client what it asked for.
    ConsentGiven = "consent_given", Success;
    /// A user did not.
    ConsentDenied = "consent_denied", Refused;
    /// A client was sent an authorization code.
    CodeIssued = "code_issued", Success;
    /// A code became tokens.
    CodeRedeemed = "code_redeemed", Success;
    /// A used code was presented again; its grant is revoked.
    CodeReused = "code_reused", Refused;
    /// Tokens were issued without a code: to a client in its own name, or to a device.
    TokenIssued = "token_issued", Success;
    /// A client turned a token into one for another resource server.
    TokenExchanged = "token_exchanged", Success;
    /// A gateway was given a signed statement of who asks, for a server behind it.
    IdentitySigned = "identity_signed", Success;
    /// A client was issued a token on an enterprise's word for a user.
    IdentityAssertionAccepted = "identity_assertion_accepted", Success;
    /// An identity assertion was refused.
    IdentityAssertionRefused = "identity_assertion_refused", Refused;
    /// A used identity assertion was presented again.
    IdentityAssertionReplayed = "identity_assertion_replayed", Refused;
    /// A refresh token became new tokens.
    TokenRefreshed = "token_refreshed", Success;
    /// A used refresh token was presented again; its grant is revoked.
    RefreshTokenReused = "refresh_token_reused", Refused;
    /// A grant was revoked, by its client, its user or an operator, or because its user is gone.
    GrantRevoked = "grant_revoked", Success;
    /// A client ended a token that it had got by exchange.
    TokenRevoked = "token_revoked", Success;
    /// All that a user granted was withdrawn, by themselves or by an operator, who ends their sign-ins, too.
    UserWithdrawn = "user_withdrawn", Success;
    /// All that a client was granted was withdrawn by an operator.
    ClientWithdrawn = "client_withdrawn", Success;
    /// A user ended a sign-in, or all of theirs.
    SignedOut = "signed_out", Success;
    /// A client did not prove who it is.
    ClientAuthenticationFailed = "client_authentication_failed", Refused;
    /// Too many wrong secrets of a client, or assertions and proofs of clients that prove nothing, were presented from one address.
    ClientThrottled = "client_throttled", Refused;
    /// A client's signed assertion was presented again.
    AssertionReplayed = "assertion_replayed", Refused;
    /// A proof of possession was presented again.
    DpopProofReplayed = "dpop_proof_replayed", Refused;
    /// A client that cannot prove who it is asked about a token.
    IntrospectionRefused = "introspection_refused", Refused;
    /// A client registered itself.
    ClientRegistered = "client_registered", Success;
    /// A client replaced its registration.
    ClientUpdated = "client_updated", Success;
    /// A client ended its registration, or an operator removed it.
    ClientDeleted = "client_deleted", Success;
    /// An operator made a client.
    ClientCreated = "client_created", Success;
    /// An operator gave a client another secret.
    ClientSecretRotated = "client_secret_rotated", Success;
    /// A registration, or the management of one, was refused.
    ClientRefused = "client_refused", Refused;
    /// Too many registrations, from one address or altogether.
    RegistrationThrottled = "registration_throttled", Refused;
    /// The metadata document of a client was refused: its place is not public, or it is not admissible.
    ClientDocumentRefused = "client_document_refused", Refused;
    /// Too many metadata documents, or keys of clients, would have had to be fetched for one address.
    ClientDocumentThrottled = "client_document_throttled", Refused;
    /// Too many devices were begun to be connected from one address.
    DeviceThrottled = "device_throttled", Refused;
    /// Too many requests for authorization were begun from one address.
    AuthorizationThrottled = "authorization_throttled", Refused;
    /// Too much was granted by one user within an hour.
    GrantThrottled = "grant_throttled", Refused;
    /// A user let a device in.
    DeviceApproved = "device_approved", Success;
    /// A user did not.
    DeviceDenied = "device_denied", Refused;
    /// Too many codes of devices were tried from one address.
    UserCodeThrottled = "user_code_throttled", Refused;
    /// An operator made an API key.
    ApiKeyCreated = "api_key_created", Success;
    /// An operator gave an API key another secret.
    ApiKeyRotated = "api_key_rotated", Success;
    /// An operator ended an API key.
    ApiKeyRevoked = "api_key_revoked", Success;
    /// An operator let somebody try to sign in again.
    ThrottleReset = "throttle_reset", Success;
    /// Somebody asked the admin listener without its token, by another name than its own, or from a page of elsewhere.
    AdminRefused = "admin_refused", Refused;
    /// Signing keys were made or began to sign.
    KeysRotated = "keys_rotated", Success;
    /// Another configuration is in force.
    ConfigReloaded = "config_reloaded", Success;
    /// A configuration was refused; the one before stays in force.
    ConfigRefused = "config_refused", Refused;
}

// === impl Outcome ===

impl Outcome {
    /// As records spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
