//! What can be typed? Every command and flag, with its help.

mod canary;
mod envoy;
mod pins;

pub(crate) use canary::Canary;
pub(crate) use envoy::{Profile, RenderEnvoy, Rendered, Whole};
pub(crate) use pins::{Pins, PinsDiff, PinsMake, PinsSign};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Check, explain and render gateway policies.
#[derive(Debug, Parser)]
#[command(
    name = "wicketgate",
    version,
    about,
    after_help = "Exit codes:\n  0  done\n  1  the policy is refused, explain's answer is not the expected one, pins differ, a test fails, or\n     \
                  the canary passes\n  2  wrong \
                  usage, a file cannot be read or written, or a gateway does not answer\n\nPolicies are YAML or JSON. Their texts may hold ${NAME} \
                  and ${NAME:-default}, taken from the environment; $${ stands for a plain ${."
)]
pub(crate) struct Arguments {
    /// Write results and errors to standard output as one JSON object.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether a policy is sound, and everything that is wrong with it.
    #[command(
        after_help = "Examples:\n  wicketgate check policy.yaml\n  wicketgate check policy.yaml --json\n  helm template \
                      k8s/chart --values values.yaml | wicketgate check --rendered -"
    )]
    Check(Check),
    /// Say what a policy answers to one request, which rule decides, and how every rule stands to it.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(Explain),
    /// Write what Envoy or Istio takes: a policy becomes a filter configuration, or all of Envoy's.
    #[command(after_help = RENDER_HELP)]
    Render(Rendered),
    /// Say which definitions of tools are approved: make pins of what a server answered, compare, sign.
    #[command(subcommand)]
    Pins(Pins),
    /// Run the tests of Rego policies, and say which lines they reach.
    #[command(after_help = TEST_HELP)]
    Test(Test),
    /// Send a running gateway what it must refuse, and say whether the filter is in the way.
    #[command(after_help = canary::HELP)]
    Canary(Canary),
    /// Print the JSON Schema of policies, for editors.
    #[command(after_help = "Example:\n  wicketgate schema > config.schema.json")]
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The policy.
    pub(crate) file: PathBuf,
    /// FILE, or `-` for standard input, holds Kubernetes objects, such as `helm template` writes: judge every policy in them as the
    /// filter in its pod will, which expands nothing and reads no files.
    #[arg(long)]
    pub(crate) rendered: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The policy.
    pub(crate) file: PathBuf,
    /// The request, a JSON file, or `-` for standard input.
    #[arg(long, value_name = "REQ.json")]
    pub(crate) request: PathBuf,
    /// The server that is asked, by name; wins over the request file.
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,
    /// Who asks: `anonymous`, or an object as under `principal`; wins over the request file.
    #[arg(long = "as", value_name = "WHO")]
    pub(crate) principal: Option<String>,
    /// A name of the certificate on whose connection it comes, as rules write it (`spiffe://example.org/agent`); once for each
    /// name, in place of those in the request file.
    #[arg(long, value_name = "NAME")]
    pub(crate) certificate: Vec<String>,
    /// Exit with 1 unless this is the verdict.
    #[arg(long, value_enum, value_name = "VERDICT")]
    pub(crate) expect: Option<Expected>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expected {
    Allow,
    Challenge,
    Deny,
}

#[derive(Debug, Args)]
pub(crate) struct Render {
    /// The policy.
    pub(crate) file: PathBuf,
    /// What to write.
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) to: Form,
    /// Where to write it, replaced as a whole; standard output if absent. JSON for a name that ends in .json, else YAML.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// The filter's module: a path for ecds and envoy-filter, an URL (oci://, https://, file://) for wasmplugin.
    #[arg(long, value_name = "PATH")]
    pub(crate) wasm: Option<String>,
    /// Stay, and write again whenever the policy changes. A bad edit is reported and changes nothing.
    #[arg(long, requires = "out")]
    pub(crate) watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A discovery response for `config_discovery` with `path_config_source`: a policy edit needs no restart.
    Ecds,
    /// An entry for `http_filters`.
    EnvoyFilter,
    /// Istio's WasmPlugin.
    Wasmplugin,
    /// The configuration as the filter reads it.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Files, or folders in which all *.rego are taken. Default: the present folder.
    pub(crate) paths: Vec<PathBuf>,
    /// Only tests whose name holds this.
    #[arg(long, value_name = "WORD")]
    pub(crate) run: Option<String>,
    /// Exit with 1 where fewer lines of a policy are reached, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) threshold: Option<u8>,
}

const TEST_HELP: &str =
    "A test is a rule whose name begins with test_, in a file called *_test.rego; it passes when it is \
true. The policy is compiled as `render` does, too, so that what the gateway refuses fails here.

Examples:
  wicketgate test policies/
  wicketgate test authz.rego authz_test.rego --threshold 90
  wicketgate test policies/ --json";

const EXPLAIN_HELP: &str = r#"The request file:
  {
    "server": "notes",                     or "url": "https://mcp.example.com/notes";
                                           neither is needed where the policy has one server
    "principal": {"subject": "alice", "client_id": "c1", "scopes": ["mcp:read"],
                  "groups": [], "roles": [], "organization": "acme", "issuer": "https://as.example.com"},
                                           or "anonymous"
    "method": "tools/call", "tool": "get_note",
                                           or "prompt", "resource", "template", "task";
                                           or "message": {...}, a JSON-RPC message
    "address": "10.0.0.1",                 from where, "origin": "https://app.example.com" from which page,
    "bytes": 2048,                         how long its body is
    "certificate": ["spiffe://example.org/agent"],
                                           names of the client's certificate, as rules write them
    "read_only": true,                     that the server lists the tool as readOnlyHint: true
    "after": ["read_secret"],              tools that were called before, for rules over the past
    "arguments": {"id": "ideas"}           of a tool or prompt; none if absent
    "headers": {}, "time": 1900000000      what a Rego policy may read besides
  }
A bare JSON-RPC message is a request file too; --as and --server say the rest.

Examples:
  wicketgate explain policy.yaml --request request.json
  echo '{"method": "tools/call", "tool": "get_note"}' |
    wicketgate explain policy.yaml --request - --as '{"subject": "alice", "scopes": ["mcp:read"]}'
  wicketgate explain policy.yaml --request request.json --expect deny"#;

const RENDER_HELP: &str = "Examples:
  wicketgate render policy.yaml --to ecds --wasm wicketgate.wasm --out ecds.yaml
  wicketgate render policy.yaml --to ecds --wasm wicketgate.wasm --out ecds.yaml --watch
  wicketgate render policy.yaml --to envoy-filter --wasm /etc/envoy/wicketgate.wasm
  wicketgate render policy.yaml --to wasmplugin --wasm oci://registry.example.com/wicketgate:1
  wicketgate render policy.yaml --to json
  wicketgate render envoy policy.yaml --out envoy.yaml

With --watch, PATH.status.json tells the state: {\"state\": \"current\" or \"refused\", \"digest\", \"errors\"}.";
