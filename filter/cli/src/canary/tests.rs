use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: body.as_bytes().to_vec() }
}

fn ours(denial: &Denial) -> Answer {
    let reply = Reply::refuse(denial, &Asked::default());
    Answer { status: reply.status, body: reply.body }
}

#[test]
fn only_the_filters_own_refusal_counts() {
    let none = || answer(401, "{}");
    let cases = [
        ("as it must be", ours(&Denial::OriginRefused), none(), false, Finding::Guarded, true),
        (
            "a server that is open",
            ours(&Denial::OriginRefused),
            answer(200, "{}"),
            true,
            Finding::GuardedAndOpen,
            true,
        ),
        (
            "one that should not be",
            ours(&Denial::OriginRefused),
            answer(200, "{}"),
            false,
            Finding::LetsIn(200),
            false,
        ),
        (
            "another address",
            ours(&Denial::AddressRefused),
            answer(403, "{}"),
            false,
            Finding::AddressRefused,
            true,
        ),
        ("another path", ours(&Denial::UnknownServer), answer(404, "{}"), false, Finding::NoServer, false),
        (
            "a server that asks for credentials itself",
            answer(401, "{}"),
            none(),
            false,
            Finding::NotThere(401),
            false,
        ),
        (
            "a server that refuses pages itself",
            answer(403, r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Invalid Origin"}}"#),
            none(),
            false,
            Finding::NotThere(403),
            false,
        ),
        (
            "our code with another status",
            answer(200, r#"{"jsonrpc":"2.0","error":{"code":-31004,"message":"Origin not allowed"}}"#),
            none(),
            false,
            Finding::NotThere(200),
            false,
        ),
        ("no JSON", answer(403, "denied"), none(), false, Finding::NotThere(403), false),
        ("no error", answer(403, "{}"), none(), true, Finding::NotThere(403), false),
    ];
    for (what, page, bare, open, finding, good) in cases {
        let found = Finding::of(&page, &bare, open);
        assert_eq!(found, finding, "{what}");
        assert_eq!(found.is_good(), good, "{what}");
    }
}
