//! Whose word counts, by which signature? Identity providers of one's own, without the sidecar; every algorithm, checked by
//! Envoy's own code and by ours.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use wicketgate_e2e::world::World;

use super::recorder::Recorder;
use super::scene::RULES;
use super::stage;
use super::stand_in::{self, Signer, StandIn, sends, server};

/// Everything of a token but how its signature ends.
fn parts(token: &str) -> (&str, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    (signed, URL_SAFE_NO_PAD.decode(signature).unwrap())
}

/// The same token with signatures that are none of its key.
fn broken(token: &str, another: &str) -> Vec<(&'static str, String)> {
    let (signed, signature) = parts(token);
    let with = |signature: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let flipped = |at: usize| {
        let mut signature = signature.clone();
        signature[at] ^= 1;
        with(&signature)
    };
    let swapped = [&signature[signature.len() / 2..], &signature[..signature.len() / 2]].concat();
    // The DER form, which the host would take as it is.
    let der = [&[0x30, 0x44, 2, 0x20][..], &signature[..32], &[2, 0x20], &signature[32..64]].concat();
    let (head, _) = signed.split_once('.').unwrap();
    let (_, other_payload) = parts(another).0.split_once('.').unwrap();
    vec![
        ("the first bit", flipped(0)),
        ("the last bit", flipped(signature.len() - 1)),
        ("another token's", with(&parts(another).1)),
        ("another payload", format!("{head}.{other_payload}.{}", URL_SAFE_NO_PAD.encode(&signature))),
        ("only zeros", with(&vec![0; signature.len()])),
        ("one zero", with(&[0])),
        ("its halves swapped", with(&swapped)),
        ("a byte more", with(&[&signature[..], &[0]].concat())),
        ("a byte before", with(&[&[0], &signature[..]].concat())),
        ("a byte less", with(&signature[..signature.len() - 1])),
        ("DER", with(&der)),
    ]
}

struct Cast {
    keys: Vec<Signer>,
    first: StandIn,
    second: StandIn,
    /// A key of the second that goes by the name of one of the first.
    namesake: Signer,
}

// === impl Cast ===

impl Cast {
    async fn start() -> Self {
        let keys = Signer::all();
        let namesake = Signer::quick("ed");
        let (first, second) =
            (StandIn::start(&keys).await, StandIn::start(std::slice::from_ref(&namesake)).await);
        Self { keys, first, second, namesake }
    }

    /// The first server takes tokens of both, the narrow one of the first alone.
    async fn world(&self, upstream: &Recorder) -> World {
        let generous = "limits: {flood: {rate: 60000/m, burst: 1000}}";
        let narrow = format!("issuers: [\"{}\"]", self.first.url);
        let servers =
            [server("both", "/mcp", &[generous], RULES), server("narrow", "/mcp/narrow", &[&narrow], RULES)];
        let issuers = [("first", &self.first, ""), ("second", &self.second, "")];
        stand_in::world("issuers", upstream, &issuers, &servers.concat(), |_| {}).await
    }

    async fn every_algorithm_counts(&self, world: &World, upstream: &Recorder) {
        let resources = [world.mcp.clone()];
        upstream.take();
        for key in &self.keys {
            let [one, other] = [(); 2].map(|()| key.token(&self.first.url, &resources));
            let what = key.jwk()["alg"].clone();
            for (how, forged) in broken(&one, &other) {
                let answer = sends(world, "/mcp", &forged).await;
                assert!(answer.status == 401 && answer.challenges(), "{what}, {how}: {answer:?}");
            }
            assert_eq!(upstream.bytes(), 0, "{what}");
            // Twice: verified, and remembered.
            for _ in 0..2 {
                let answer = sends(world, "/mcp", &one).await;
                assert_eq!(answer.status, 200, "{what}: {answer:?}");
            }
            assert_eq!(upstream.take().len(), 2, "{what}");
            // The other issuer's key of that name, or this one under the other's, is another key.
            let foreign = key.token(&self.second.url, &resources);
            assert_eq!(sends(world, "/mcp", &foreign).await.status, 401, "{what} in the other's name");
            assert_eq!(upstream.bytes(), 0, "{what}");
        }
        let posing = self.namesake.token(&self.first.url, &resources);
        assert_eq!(sends(world, "/mcp", &posing).await.status, 401, "by the second in the first's name");
        the_algorithm_belongs_to_the_key(self, world).await;
    }
}

/// The numbers of the two RSA keys are the same: only what they were published for tells them apart.
async fn the_algorithm_belongs_to_the_key(cast: &Cast, world: &World) {
    let resources = [world.mcp.clone()];
    let [Signer::Rs256(rs), Signer::Ps256(ps), ..] = &cast.keys[..] else { panic!("two of RSA come first") };
    let crossed = [
        Signer::Rs256(rs.clone().with_key_id("ps")),
        Signer::Ps256(ps.clone().with_key_id("rs")),
        Signer::Rs256(rs.clone().with_key_id("nobody")),
    ];
    for key in crossed {
        let answer = sends(world, "/mcp", &key.token(&cast.first.url, &resources)).await;
        assert!(matches!(answer.status, 401 | 503), "{}: {answer:?}", key.jwk());
    }
}

async fn each_server_believes_its_own_issuers(cast: &Cast, world: &World) {
    let (both, narrow) = (world.mcp.clone(), format!("{}/narrow", world.mcp));
    let of_first = cast.keys[3].token(&cast.first.url, &[both.clone(), narrow.clone()]);
    let of_second = cast.namesake.token(&cast.second.url, &[both.clone(), narrow.clone()]);
    for (path, token, status) in [
        ("/mcp", &of_second, 200),
        // Remembered for the one is not verified for the other.
        ("/mcp/narrow", &of_second, 401),
        ("/mcp", &of_first, 200),
        ("/mcp/narrow", &of_first, 200),
        ("/mcp/narrow", &cast.keys[3].token(&cast.first.url, &[both]), 401),
        ("/mcp", &cast.keys[3].token(&cast.first.url, &[narrow]), 401),
    ] {
        let answer = sends(world, path, token).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    for (path, issuers) in
        [("/mcp", json!([cast.first.url, cast.second.url])), ("/mcp/narrow", json!([cast.first.url]))]
    {
        let url = format!("{}/.well-known/oauth-protected-resource{path}", world.origin);
        let document = world.http.get(&url, &[]).await.unwrap().json().unwrap();
        assert_eq!(document["authorization_servers"], issuers, "{document}");
    }
}

/// The filter's configuration with a host that does not know the function by which it verifies signatures. That this is so
/// shows besides that Envoy obeys the list of what the module may call, where it is written.
fn without_the_hosts_code(rendered: &str) -> String {
    const LISTED: &str = "proxy_call_foreign_function: {}";
    assert_eq!(rendered.matches(LISTED).count(), 1, "{rendered}");
    rendered.lines().filter(|line| line.trim() != LISTED).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_counts_by_the_hosts_code_and_by_ours() {
    let upstream = Recorder::echo().await;
    let cast = Cast::start().await;
    let mut world = cast.world(&upstream).await;
    assert_eq!(algorithms(&world).await, Some(2));
    cast.every_algorithm_counts(&world, &upstream).await;
    each_server_believes_its_own_issuers(&cast, &world).await;

    stage::restart_with(&mut world, without_the_hosts_code).await;
    assert_eq!(algorithms(&world).await, Some(0), "the host checks nothing");
    cast.every_algorithm_counts(&world, &upstream).await;
    each_server_believes_its_own_issuers(&cast, &world).await;
    world.discard().await;
}

/// How many algorithms the host checks for us.
async fn algorithms(world: &World) -> Option<u64> {
    world.envoy.stat("wasmcustom.wicketgate.host_signature_algorithms").await.unwrap()
}
