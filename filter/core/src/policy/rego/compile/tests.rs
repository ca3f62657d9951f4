//! What is compiled, what is refused, and in which words. The rules of a case stand below `package mcp.authz`.

use super::*;

fn of(text: &str) -> Result<Packed, Vec<String>> {
    let source = Source { name: "authz.rego".to_owned(), text: format!("package mcp.authz\n{text}\n") };
    compile(&[source]).map_err(|list| list.into_iter().map(|refusal| refusal.message).collect())
}

/// One change to a sound policy, and the beginning of what is said about it.
const REFUSED: &[(&str, &str)] = &[
    (
        "allow if numbers.range(1, input.arguments.x)[_] == 1",
        "authz.rego:2: the built-in `numbers.range` is not admitted",
    ),
    (
        "allow if numbers.range_step(1, 10, input.arguments.x)",
        "authz.rego:2: the built-in `numbers.range_step` is not",
    ),
    ("allow if bits.lsh(1, input.arguments.x) > 0", "authz.rego:2: the built-in `bits.lsh` is not admitted"),
    ("allow if product(input.arguments.xs) > 0", "authz.rego:2: the built-in `product` is not admitted"),
    ("allow if walk(input.arguments, [_, 1])", "Compilation error: walk loops are not yet supported"),
    (
        "allow if json.unmarshal(input.arguments.x).a",
        "authz.rego:2: the built-in `json.unmarshal` is not admitted",
    ),
    (
        "allow if sprintf(input.arguments.f, [1]) == \"1\"",
        "authz.rego:2: argument 1 of `sprintf` must be written here as a constant",
    ),
    (
        "allow if sprintf(\"%10000d\", [1]) == \"1\"",
        "authz.rego:2: a format has the verbs `%s`, `%d` and `%v` only",
    ),
    ("allow if sprintf(\"%*d\", [9, 1]) == \"1\"", "authz.rego:2: a format has the verbs"),
    (
        "allow if replace(\"a\", \"a\", input.arguments.x) == \"\"",
        "authz.rego:2: argument 3 of `replace` must be written here as a constant",
    ),
    (
        "allow if {\n some p in [\"a\", \"b\"]\n regex.match(p, input.arguments.x)\n}",
        "authz.rego:4: argument 1 of `regex.match` must be written here as a constant",
    ),
    (
        "allow if regex.match(`^\\p{L}+$`, input.arguments.x)",
        "authz.rego:2: no pattern: there are no classes of Unicode",
    ),
    ("allow if regex.match(`(a`, input.arguments.x)", "authz.rego:2: no pattern: unclosed group"),
    (
        "allow if glob.match(input.arguments.p, [], \"x\")",
        "authz.rego:2: argument 1 of `glob.match` must be written here as a constant",
    ),
    ("f(x) := f(x)\nallow if f(1)", "authz.rego:2: the rule `f` calls itself, directly or by way of others"),
    (
        "allow if input.args.x == 1",
        "authz.rego:2: there is no `input.args`; there are: version, server, principal",
    ),
    (
        "allow if input.principal.role == \"x\"",
        "authz.rego:2: there is no `input.principal.role`; there are: authent",
    ),
    ("allow if input.time.hours > 1", "authz.rego:2: there is no `input.time.hours`"),
    ("allow if input == {}", "authz.rego:2: `input` is used as a whole; name the keys that are read"),
    ("allow if input[input.arguments.k]", "authz.rego:2: `input` is used as a whole"),
    (
        "blocked := {\"x\"}\nallow if not blocked[input.args.x]",
        "authz.rego:3: there is no `input.args`; there are: version, server, principal",
    ),
    (
        "blocked := {\"x\"}\nallow if not blocked[input.headers.authorization]",
        "authz.rego:3: no policy sees the header `authorization`",
    ),
    ("allow if count(input.headers) == 0", "authz.rego:2: `input.headers` is used as a whole"),
    ("allow if input.headers.authorization", "authz.rego:2: no policy sees the header `authorization`"),
    (
        "allow if input.headers[\"x-wicketgate-branch\"] == \"a\"",
        "authz.rego:2: no policy sees the header `x-wicketgate-branch`",
    ),
    ("allow if input.headers[\"X-Team\"]", "authz.rego:2: `X-Team` is no name of a header in lower case"),
    ("allow if data.users[input.principal.subject]", "authz.rego:2: there are no data documents here"),
    (
        "allow if limit > 1\nlimit := 1 if input.principal.roles\nlimit := 2 if input.principal.groups",
        "authz.rego:3: the rule `limit` has several definitions that may give different values at once",
    ),
    (
        "allow if o.a\no[k] := v if some k, v in {\"a\": 1}",
        "authz.rego:3: the rule `o` makes an object piece by piece",
    ),
    (
        "allow if {k: v | some k in [1]; some v in [1, 2]}[1] == 1",
        "authz.rego:2: an object comprehension, where one key may get two values",
    ),
    (
        "allow if true\nvisible if input.arguments.x == 1",
        "authz.rego:3: `visible` decides about lists, which have no `input.arguments`",
    ),
    (
        "allow if true\nvisible if late\nlate if input.time.hour > 17",
        "authz.rego:4: `visible` decides about lists, which have no `input.time`",
    ),
    ("allow if sprintf(\"%f\", [1]) == \"1\"", "authz.rego:2: a format has the verbs"),
    ("allow if glob.match(\"a{,b}\", [], \"a\")", "authz.rego:2: an empty alternative"),
    ("allow if f(1)\ndefault f(_) := true", "authz.rego:3: a default of a function"),
    (
        "allow if f(1)\nf(x) := y if {\n some y in [1, x]\n}",
        "authz.rego:3: a rule takes its value out of an iteration",
    ),
    ("allow if true\na.b if true", "authz.rego:3: the name of a rule has a dot in it"),
    ("import future.keywords.not\nallow if true", "authz.rego:2: negated bodies"),
    (
        "allow if count([x.a | some x in input.arguments.l]) == 0",
        "authz.rego:2: what is collected here may be undefined",
    ),
    ("deny if true", "no file has a rule `allow` in the package `mcp.authz`"),
];

#[test]
fn what_may_not_run_is_refused_with_its_line() {
    let mut wrong = Vec::new();
    for (text, said) in REFUSED {
        match of(text) {
            Err(list) if list.iter().any(|message| message.starts_with(said)) => {}
            other => wrong.push(format!("{text}\n    {:?}", other.map(|_| "compiled"))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn another_package_and_what_is_no_rego_are_refused() {
    let source = |text: &str| vec![Source { name: "a.rego".to_owned(), text: text.to_owned() }];
    let said = |text: &str| compile(&source(text)).unwrap_err().remove(0);
    let other = said("package envoy.authz\nallow if true");
    assert_eq!(
        other.message,
        "no file is of the package `mcp.authz`, whose rule `allow` is asked; there are: envoy.authz"
    );
    let wrong = said("package mcp.authz\nallow if {");
    assert_eq!(wrong.source, Some(0));
    assert!(wrong.message.contains("a.rego"), "{wrong:?}");
    assert!(said("package mcp.authz\nallow if nothing(1)").message.contains("nothing"));
    let with = "package mcp.authz\nallow if b with input.method as \"x\"\nb if input.method == \"x\"";
    assert!(compile(&source(with)).is_err(), "the machine has no `with`");
}

#[test]
fn what_a_policy_reads_is_found_out() {
    let text = r#"
import input.arguments as args
default allow := false
allow if {
    args.path == "/x"
    startswith(args.filter.name, "a")
    some tag in input.arguments.tags
    tag == "public"
    input.headers["x-team"] == "blue"
    within_hours
    not args.force
}
allow if f(input.arguments.nested)
f(x) if x.deep == 1
within_hours if input.time.hour < 18
visible if input.tool.labels.risk != "high"
"#;
    let packed = of(text).unwrap();
    let paths: Vec<String> = packed.reads.arguments.iter().map(|path| path.join(".")).collect();
    assert_eq!(paths, ["filter.name", "force", "nested", "path", "tags"]);
    assert_eq!(packed.reads.headers, ["x-team"]);
    assert!(packed.reads.time && !packed.reads.source && packed.visible);
    assert_eq!(packed.module, Module::Rego);
    let whole = of("allow if count(input.arguments) == 0").unwrap();
    assert_eq!(whole.reads.arguments, [Vec::<String>::new()]);
    let stable = of("allow if input.tool.name == \"x\"").unwrap();
    assert!(stable.reads.is_stable() && !stable.visible);
    let looked_up = of(
        "blocked := {\"eve\"}\nallow if not blocked[input.arguments.user]\nallow if not blocked[input.headers[\"x-team\"]]\n\
                        allow if not blocked[input.source.address]\nallow if not blocked[input.time.weekday]",
    );
    let reads = looked_up.unwrap().reads;
    assert_eq!((reads.arguments, reads.headers), (vec![vec!["user".to_owned()]], vec!["x-team".to_owned()]));
    assert!(reads.source && reads.time);
    let regex = of("allow if regex.match(\"^a+$\", input.tool.name)").unwrap();
    assert_eq!(regex.module, Module::RegoRegex);
}

/// Earlier programs did not say all that they read.
#[test]
fn what_was_found_in_an_earlier_way_is_not_believed() {
    const EARLIER: &str = "b0afc1ce1b102cf245ac7ae7e111c43569410f899649b9a7b54cda09aaf59439";
    let (program, reads, digest) = (Vec::new(), Reads::default(), String::new());
    let nothing = Packed { program, reads, module: Module::Rego, visible: false, data: None, digest };
    assert_ne!(nothing.computed_digest(), EARLIER);
}

#[test]
fn one_policy_is_always_the_same_bytes() {
    let text = "allow if a\nallow if b\na if input.principal.roles[_] == \"x\"\nb if count(input.principal.groups) > c\nc := 2";
    let first = of(text).unwrap();
    for _ in 0..20 {
        assert_eq!(of(text).unwrap(), first);
    }
    assert_ne!(of("allow if true").unwrap().digest, first.digest);
}

fn with_data(text: &str, data: &serde_json::Value) -> Result<Packed, Vec<String>> {
    let sources = [
        Source { name: "authz.rego".to_owned(), text: format!("package mcp.authz\n{text}") },
        Source { name: "lib.rego".to_owned(), text: "package lib.sets\nempty := set()".to_owned() },
    ];
    let compiled = compile_with(&sources, data.as_object().unwrap());
    compiled.map_err(|list| list.into_iter().map(|refusal| refusal.message).collect())
}

#[test]
fn data_that_a_policy_names_are_there_and_apart_from_its_rules() {
    let data =
        serde_json::json!({"teams": {"red": ["alice"], "blue": []}, "lib": {"tables": {"a": 1}}, "n": 5});
    for text in [
        "allow if input.principal.subject in data.teams.red",
        "allow if input.principal.subject in data.teams[input.arguments.team]",
        "allow if data.lib.tables[input.tool.name] > 0",
        "import data.teams\nallow if count(teams[\"blue\"]) < data.n",
        "allow if {\n some team, members in data.teams\n input.principal.subject in members\n team == \"red\"\n}",
        "allow if f(data.teams)\nf(x) if x.red",
        "allow := {\"allow\": true, \"reasons\": [data.teams.red[0]]}\nvisible if data.n == 5",
    ] {
        let packed = with_data(text, &data).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        assert_eq!(packed.data.as_deref(), Some(data.to_string().as_str()));
        assert_eq!(packed, with_data(text, &data).unwrap());
    }
    for (text, said) in [
        (
            "allow if not data.teams.green",
            "authz.rego:2: there is no `data.teams.green` in the data documents",
        ),
        ("allow if not data.team.red", "authz.rego:2: there is no `data.team.red` in the data documents"),
        (
            "allow if not data.team[input.method]",
            "authz.rego:2: there is no `data.team` in the data documents",
        ),
        ("allow if not data.n.x", "authz.rego:2: there is no `data.n.x` in the data documents"),
        ("allow if not data.lib[input.method]", "authz.rego:2: rules and data documents are named"),
        ("allow if regex.match(data.teams.red[0], input.method)", "authz.rego:2: "),
    ] {
        let list = with_data(text, &data).map(drop).unwrap_err();
        assert!(list.iter().any(|message| message.starts_with(said)), "{text}: {list:?}");
    }
    for (data, said) in [
        (serde_json::json!({"mcp": {"authz": {"x": 1}}}), "the data documents hold `data.mcp.authz`"),
        (serde_json::json!({"mcp": 1}), "the data documents hold `data.mcp.authz`"),
        (serde_json::json!({"lib": {"sets": {"a": 1}}}), "the data documents hold `data.lib.sets`"),
        (
            serde_json::json!({"a": "x".repeat(256 << 10)}),
            "the data documents have 262152 bytes, and 262144 are",
        ),
        (
            (0..200).fold(serde_json::json!({}), |inner, _| serde_json::json!({"a": inner})),
            "the data documents nest too deep",
        ),
    ] {
        let list = with_data("allow := true", &data).map(drop).unwrap_err();
        assert!(list.iter().any(|message| message.starts_with(said)), "{list:?}");
    }
}
