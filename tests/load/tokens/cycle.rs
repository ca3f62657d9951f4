//! What does one client after the other leave behind? A registration, requests that nobody goes on with, and a grant with
//! tokens that are used once.

use std::net::Ipv4Addr;

use serde_json::Value;
use wicketgate_e2e::client::oauth::REDIRECT_URI;

use crate::authorization::lane::post;
use crate::authorization::servers::{ASKS, FORM, registration};
use crate::wire::{Message, Wire, field_of};

/// What a cycle issues: a client, a pushed request, a waiting one, a device code, a code, three access and three refresh tokens.
pub(super) const ISSUED: usize = 11;
/// Records that it leaves, at least: client, pushed request, waiting request, device code, grant.
pub(super) const RECORDS: usize = 5;
/// Of a verifier and its challenge (RFC 7636 appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// One connection, and who speaks over it.
pub(super) struct Cycle {
    /// Its own: device codes are limited by address.
    from: Ipv4Addr,
    port: u16,
    client: String,
    cookies: String,
    wire: Option<Wire>,
}

// === impl Cycle ===

impl Cycle {
    /// A client that a user with these cookies has let in before.
    pub(super) fn new(from: Ipv4Addr, port: u16, client: &str, cookies: &str) -> Self {
        Self { from, port, client: client.to_owned(), cookies: cookies.to_owned(), wire: None }
    }

    pub(super) async fn repeat(mut self, times: usize) {
        for _ in 0..times {
            self.once().await;
        }
    }

    async fn once(&mut self) {
        self.ask(&registration(self.port, "/register"), 201).await;
        let client = self.client.clone();
        let request = authorization_request(&client);
        self.form("/par", &request, 201).await;
        self.form(
            "/device_authorization",
            &format!("client_id={client}&scope=mcp:read&resource={ASKS}"),
            200,
        )
        .await;
        self.authorize(&request, None).await;
        let cookies = self.cookies.clone();
        let to = self.authorize(&request, Some(&cookies)).await;
        let code = to.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).expect("a code");
        let redeem = format!(
            "grant_type=authorization_code&client_id={client}&code={code}&code_verifier={VERIFIER}&redirect_uri={REDIRECT_URI}"
        );
        let mut tokens = self.form("/token", &redeem, 200).await;
        for _ in 0..2 {
            let token = tokens["refresh_token"].as_str().expect("a refresh token");
            let refresh = format!("grant_type=refresh_token&client_id={client}&refresh_token={token}");
            tokens = self.form("/token", &refresh, 200).await;
        }
    }

    /// Where the browser is sent.
    async fn authorize(&mut self, request: &str, cookies: Option<&str>) -> String {
        let cookies = cookies.map_or(String::new(), |cookies| format!("Cookie: {cookies}\r\n"));
        let port = self.port;
        let bytes = format!("GET /authorize?{request} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{cookies}\r\n");
        let message = self.ask(bytes.as_bytes(), 303).await;
        field_of(&message.head, "location").expect("a redirect").to_owned()
    }

    async fn form(&mut self, path: &str, body: &str, status: u16) -> Value {
        let request = post(self.port, path, FORM, body);
        serde_json::from_slice(&self.ask(&request, status).await.body).unwrap()
    }

    async fn ask(&mut self, request: &[u8], status: u16) -> Message {
        if self.wire.is_none() {
            self.wire = Some(Wire::open(self.port, self.from).await);
        }
        let wire = self.wire.as_mut().expect("opened");
        wire.send(request).await;
        let message = wire.message().await.expect("an answer");
        assert_eq!(message.answer.status, status, "{}", String::from_utf8_lossy(&message.body));
        message
    }
}

fn authorization_request(client: &str) -> String {
    format!(
        "response_type=code&client_id={client}&redirect_uri={REDIRECT_URI}&code_challenge={CHALLENGE}\
         &code_challenge_method=S256&resource={ASKS}"
    )
}
