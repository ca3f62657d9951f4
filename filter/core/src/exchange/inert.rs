//! What could an answer do in a browser that is led here? To send people elsewhere, to set cookies, to run as a page of this origin,
//! which may be the authorization server's, too, is not for an upstream.

use super::Exchange;
use super::step::Effect;
use crate::head::ResponseHead;

/// What the head of an answer that a browser might show says instead of what the upstream did: it runs nothing and is of no origin.
const INERT: [(&str, &str); 2] =
    [("content-security-policy", "sandbox; default-src 'none'"), ("x-content-type-options", "nosniff")];

/// What it says to browsers and clients about this origin: where to log in for this URL is ours to say, and an upstream could send
/// clients to a server of its own. Its cookies would never come back to it, and where the authorization server shares our origin they
/// could stand for that one's, or be taken away; and a page may lead elsewhere without a status that says so.
const NOT_ITS_OWN: &[&str] = &["www-authenticate", "set-cookie", "clear-site-data", "refresh"];

// === impl Exchange ===

impl Exchange {
    /// Changes the head of an answer of this type; `end` where it has no body.
    pub(super) fn disarm(&mut self, head: &ResponseHead, media: &str, end: bool) {
        for header in NOT_ITS_OWN {
            if head.headers.has(header) {
                self.effects.push(Effect::RemoveResponseHeader(header));
            }
        }
        if !end && !matches!(media, "application/json" | "text/event-stream") {
            self.effects.extend(INERT.map(|(name, value)| Effect::SetResponseHeader(name, value)));
        }
    }
}
