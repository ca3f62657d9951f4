//! What can be typed about pins of tools?

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Pins {
    /// Write the pins of the tools that a server lists.
    #[command(after_help = MAKE_HELP)]
    Make(PinsMake),
    /// Say in words what has changed; exit with 1 if anything has.
    #[command(after_help = DIFF_HELP)]
    Diff(PinsDiff),
    /// Sign a file of pins: writes FILE.sig, which `signed_by` in a policy asks for.
    #[command(after_help = SIGN_HELP)]
    Sign(PinsSign),
    /// Print the public half of a key, as `signed_by` takes it.
    Key(PinsKey),
}

#[derive(Debug, Args)]
pub(crate) struct PinsMake {
    /// Answers to tools/list, all pages of them: JSON or event streams; `-` for standard input.
    #[arg(required = true, value_name = "LIST.json")]
    pub(crate) lists: Vec<PathBuf>,
    /// Where to write the pins, replaced as a whole; standard output if absent.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PinsDiff {
    /// What was approved: pins, or an answer to tools/list, which tells more.
    pub(crate) old: PathBuf,
    /// Answers to tools/list now, all pages of them; `-` for standard input.
    #[arg(required = true, value_name = "LIST.json")]
    pub(crate) new: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PinsSign {
    /// The pins.
    pub(crate) file: PathBuf,
    /// The private key: Ed25519 or P-256, PKCS #8 in PEM.
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PinsKey {
    /// The private key: Ed25519 or P-256, PKCS #8 in PEM.
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
}

const MAKE_HELP: &str =
    "Read what is pinned before you approve it: `pins diff` shows characters that nobody sees.

Examples:
  wicketgate pins make list.json --out pins.yaml
  curl -s http://127.0.0.1:3001/mcp -H 'Accept: application/json, text/event-stream' \\
    -H 'Content-Type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}' |
    wicketgate pins make - > pins.yaml";

const DIFF_HELP: &str = "Examples:
  wicketgate pins diff pins.yaml list.json
  wicketgate pins diff approved-list.json list.json";

const SIGN_HELP: &str = "Example:
  openssl genpkey -algorithm ed25519 -out key.pem
  wicketgate pins sign pins.yaml --key key.pem";
