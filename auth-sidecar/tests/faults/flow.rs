//! One complete flow: a client registers, its user signs in and consents, tokens are fetched, refreshed, looked at and revoked, and
//! then the same for a device. Something may happen on the way; what a client or user does then is what anybody would do:
//! ask again, or begin the step again.

use serde_json::{Value, json};

use crate::backend::{Fault, Plan};
use crate::ground::Ground;
use crate::world::browser::{Browser, Form, Page};
use crate::world::client::{Client, Tokens};
use crate::world::device::{GRANT, offer, poll};
use crate::world::{PASSWORD, RESOURCE, World, join_all, read};

const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

/// What became of the command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// The answer was the same.
    Unnoticed,
    /// 503; to ask again was enough.
    Repeated,
    /// 503; what had been half done was begun again.
    BegunAgain,
}

/// Where it failed, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) step: &'static str,
    pub(crate) command: String,
    pub(crate) fault: Fault,
    pub(crate) outcome: Outcome,
}

/// Somebody who goes through it.
pub(crate) struct Walk<'a> {
    pub(crate) ground: Ground<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) seen: Option<Seen>,
}

/// What a browser does.
enum Go {
    Open(String),
    Submit(Form),
}

/// Goes all the way.
pub(crate) async fn complete(walk: &mut Walk<'_>) {
    let client = walk.register().await;
    let mut browser = Browser::default();
    let mut code = walk.code(&client, &mut browser).await;
    let mut answer = walk.redeem(&client, &code).await;
    if outcome(&answer) == INVALID_GRANT {
        // The code was used, and nobody has what it gave: a code works once.
        walk.must_begin_again("code", &[("swap g", Fault::AnswerLost)]);
        code = walk.code(&client, &mut browser).await;
        answer = walk.redeem(&client, &code).await;
    }
    let mut tokens = vec![walk.tokens(answer)];
    for _ in 0..2 {
        let token = tokens.last().unwrap().refresh.clone();
        let answer = walk.json("refresh", async |world| client.refresh(world, &token, &[]).await).await;
        tokens.push(walk.tokens(answer));
    }
    walk.plan.next_part();
    tokens.push(walk.refresh_at_once(&client, &tokens.last().unwrap().refresh.clone()).await);
    walk.plan.next_part();
    walk.all_active(&client, &tokens, true).await;
    walk.revoke(&client, &tokens).await;
    for token in &tokens {
        let again = walk.json("after", async |world| client.refresh(world, &token.refresh, &[]).await).await;
        assert_eq!(outcome(&again), INVALID_GRANT, "a family that ended");
    }
    assert_eq!(outcome(&walk.redeem(&client, &code).await), INVALID_GRANT, "a code works once");
    device(walk, &client, &mut browser).await;
}

async fn device(walk: &mut Walk<'_>, client: &Client, browser: &mut Browser) {
    let offered = walk.offer(client).await;
    let mut offered = walk.approve(browser, offered).await;
    let mut answer = walk.poll(client, &offered).await;
    if outcome(&answer) == (400, "authorization_pending") {
        // The user saw that it failed, and types the code once more.
        walk.must_begin_again("device: consent", &[]);
        offered = walk.approve(browser, offered).await;
        answer = walk.poll(client, &offered).await;
    }
    if outcome(&answer) == INVALID_GRANT {
        walk.must_begin_again("device: token", &[("swap g", Fault::AnswerLost)]);
        let again = walk.offer(client).await;
        offered = walk.approve(browser, again).await;
        answer = walk.poll(client, &offered).await;
    }
    let tokens = vec![walk.tokens(answer)];
    walk.all_active(client, &tokens, true).await;
    assert_eq!(outcome(&walk.poll(client, &offered).await), INVALID_GRANT, "a device code works once");
    // Whether it was asked again too soon to end them depends on the time that all this took.
    walk.revoke(client, &tokens).await;
}

/// What is to be known of an answer: its status and its error.
pub(crate) fn outcome((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["error"].as_str().unwrap_or_default())
}

// === impl Walk ===

impl Walk<'_> {
    /// Ends the grant of these tokens by the last of them.
    async fn revoke(&mut self, client: &Client, tokens: &[Tokens]) {
        let last = tokens.last().unwrap().refresh.clone();
        let form = [("token", last.as_str())];
        let answer = self.json("revoke", async |world| client.post(world, "/revoke", &form, &[]).await).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
        self.all_active(client, tokens, false).await;
    }

    async fn register(&mut self) -> Client {
        let body = json!({
            "redirect_uris": [crate::world::client::REDIRECT], "client_name": "Test client",
            "grant_types": ["authorization_code", "refresh_token", GRANT], "response_types": ["code"],
        });
        let ask = async |world: &World| {
            read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await
        };
        let (status, answer) = self.json("register", ask).await;
        assert_eq!(status, 201, "{answer}");
        Client {
            id: answer["client_id"].as_str().unwrap().to_owned(),
            secret: answer["client_secret"].as_str().map(ToOwned::to_owned),
            method: answer["token_endpoint_auth_method"].as_str().unwrap().to_owned(),
        }
    }

    /// A code, with as many pages as it takes.
    async fn code(&mut self, client: &Client, browser: &mut Browser) -> String {
        let open = || Go::Open(client.link(&[]));
        let page = self.page("authorize", browser, open()).await;
        let mut page = self.signed_in(browser, page).await;
        if page.has_field("decision") {
            page = self.decide("consent", browser, &page).await;
        }
        if page.left_for.is_none() {
            self.must_begin_again("consent", &[]);
            page = self.page("authorize", browser, open()).await;
            if page.has_field("decision") {
                page = self.decide("consent", browser, &page).await;
            }
        }
        page.param("code").unwrap_or_else(|| panic!("no code: {page:?}"))
    }

    async fn signed_in(&mut self, browser: &mut Browser, page: Page) -> Page {
        if !page.has_field("password") {
            return page;
        }
        let form = page.form().with("username", "alice").with("password", PASSWORD);
        self.page("sign in", browser, Go::Submit(form)).await
    }

    async fn decide(&mut self, step: &'static str, browser: &mut Browser, page: &Page) -> Page {
        self.page(step, browser, Go::Submit(page.form().with("decision", "approve"))).await
    }

    async fn redeem(&mut self, client: &Client, code: &str) -> (u16, Value) {
        self.json("code", async |world| client.redeem(world, code, &[]).await).await
    }

    /// Four at once: all get the same successor, in the end.
    async fn refresh_at_once(&mut self, client: &Client, token: &str) -> Tokens {
        const STEP: &str = "parallel refresh";
        self.ground.next().await;
        let world = self.ground.world();
        let mut answers = join_all((0..4).map(|_| client.refresh(world, token, &[]))).await;
        answers.sort_by_key(|answer| answer.0 != 503);
        for answer in &mut answers {
            if self.is_unavailable(STEP, answer.0) {
                *answer = client.refresh(self.ground.world(), token, &[]).await;
            }
        }
        let tokens: Vec<_> = answers.into_iter().map(|answer| self.tokens(answer)).collect();
        assert!(tokens.iter().all(|one| one.refresh == tokens[0].refresh), "a family never forks");
        tokens[0].clone()
    }

    async fn offer(&mut self, client: &Client) -> Value {
        let answer = self.json("device: offer", async |world| offer(world, client, &[]).await).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
        answer.1
    }

    async fn approve(&mut self, browser: &mut Browser, offered: Value) -> Value {
        let code = offered["user_code"].as_str().unwrap();
        let page = self.page("device: user code", browser, Go::Open("/device".into())).await;
        let page =
            self.page("device: user code", browser, Go::Submit(page.form().with("user_code", code))).await;
        if page.has_field("decision") {
            let page = self.decide("device: consent", browser, &page).await;
            assert!(page.status == 200 || self.seen.is_some(), "{page:?}");
        }
        offered
    }

    async fn poll(&mut self, client: &Client, offered: &Value) -> (u16, Value) {
        self.json("device: token", async |world| poll(world, client, offered).await).await
    }

    /// Whether all of these tokens that can be active are so, or none.
    async fn all_active(&mut self, client: &Client, tokens: &[Tokens], wanted: bool) {
        let server = Client::configured("resource-server");
        let last = &tokens.last().unwrap().refresh;
        let asked = tokens.iter().map(|one| (&server, one.access.as_str())).chain([(client, last.as_str())]);
        for (asker, token) in asked {
            let form = [("token", token)];
            let ask = async |world: &World| asker.post(world, "/introspect", &form, &[]).await;
            let answer = self.json("introspect", ask).await;
            assert_eq!((answer.0, &answer.1["active"]), (200, &json!(wanted)), "{}", answer.1);
        }
        let question = json!({"token": tokens[0].access, "resource": RESOURCE});
        let ask = async |world: &World| {
            let url = format!("{}/v1/validate", world.internal);
            read(world.http.post(url).json(&question).send().await.unwrap()).await
        };
        let answer = self.json("validate", ask).await;
        assert_eq!((answer.0, &answer.1["active"]), (200, &json!(wanted)), "{}", answer.1);
    }

    fn tokens(&self, answer: (u16, Value)) -> Tokens {
        assert_eq!(answer.0, 200, "{} after {:?}", answer.1, self.seen);
        Tokens::of(answer.1)
    }

    async fn json(&mut self, step: &'static str, ask: impl AsyncFn(&World) -> (u16, Value)) -> (u16, Value) {
        self.ground.next().await;
        let answer = ask(self.ground.world()).await;
        if !self.is_unavailable(step, answer.0) {
            return answer;
        }
        assert_eq!(answer.1["error"], "temporarily_unavailable", "{}", answer.1);
        ask(self.ground.world()).await
    }

    async fn page(&mut self, step: &'static str, browser: &mut Browser, go: Go) -> Page {
        self.ground.next().await;
        let mut page = go.with(self.ground.world(), browser).await;
        if self.is_unavailable(step, page.status) {
            assert!(page.body.ends_with("</html>") && page.headers.contains_key("retry-after"), "{page:?}");
            page = go.with(self.ground.world(), browser).await;
        }
        let is_page = page.body.ends_with("</html>") && [200, 400].contains(&page.status);
        assert!(is_page || page.left_for.is_some(), "{page:?}");
        page
    }

    /// Whether this answer says that the store failed, and a word about where it did.
    fn is_unavailable(&mut self, step: &'static str, status: u16) -> bool {
        let failed = self.plan.failed().filter(|_| self.seen.is_none());
        assert!(status < 500 || (status == 503 && failed.is_some()), "{status} at {step}: {:?}", self.seen);
        if let Some((command, fault)) = failed {
            let outcome = if status == 503 { Outcome::Repeated } else { Outcome::Unnoticed };
            self.seen = Some(Seen { step, command, fault, outcome });
        }
        status == 503
    }

    /// To ask again was not enough; it may be so for these commands alone (all, where none is named).
    fn must_begin_again(&mut self, step: &str, which: &[(&str, Fault)]) {
        let seen = self.seen.as_mut().unwrap_or_else(|| panic!("nothing failed before {step}"));
        assert_eq!(seen.step, step, "{seen:?}");
        let is_listed = which.contains(&(seen.command.as_str(), seen.fault));
        assert!(which.is_empty() || is_listed, "{seen:?}");
        seen.outcome = Outcome::BegunAgain;
    }
}

// === impl Go ===

impl Go {
    async fn with(&self, world: &World, browser: &mut Browser) -> Page {
        match self {
            Self::Open(path) => browser.get(world, path).await,
            Self::Submit(form) => browser.submit(world, form).await,
        }
    }
}
