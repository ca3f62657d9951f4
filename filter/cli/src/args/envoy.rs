//! What can be typed after `wicketgate render`? Options for the filter's configuration, or `envoy` for all of Envoy's.

use super::Render;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Rendered {
    #[command(subcommand)]
    pub(crate) whole: Option<Whole>,
    #[command(flatten)]
    pub(crate) filter: Option<Render>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Whole {
    /// Write all of Envoy's configuration, with comments: listeners, routes and clusters for the servers of a policy.
    #[command(after_help = HELP)]
    Envoy(RenderEnvoy),
}

#[derive(Debug, Args)]
pub(crate) struct RenderEnvoy {
    /// The policy. Its keys `edge` and `servers[].upstream` say what Envoy is told.
    pub(crate) file: PathBuf,
    /// Where to write it, replaced as a whole; standard output if absent. Files for certificates go into the folder
    /// `secrets` beside it.
    #[arg(long, value_name = "PATH", conflicts_with = "xds")]
    pub(crate) out: Option<PathBuf>,
    /// Write it as files that Envoy watches into this folder: routes and servers can change while it runs.
    #[arg(long, value_name = "DIR")]
    pub(crate) xds: Option<PathBuf>,
    /// What it must be fit for: `production` refuses what is unsafe beyond one machine.
    #[arg(long, value_enum, value_name = "PROFILE", default_value = "development")]
    pub(crate) profile: Profile,
    /// The Envoy that will run it, such as 1.37: one that cannot is refused. Default: any of those that are supported.
    #[arg(long, value_name = "VERSION")]
    pub(crate) envoy_version: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Plain HTTP on one machine is fine.
    Development,
    /// Everything is encrypted, bounded and watched.
    Production,
}

const HELP: &str = "Examples:
  wicketgate render envoy policy.yaml --out .run/envoy.yaml
  wicketgate render envoy policy.yaml --out /etc/envoy/envoy.yaml --profile production --envoy-version 1.38
  wicketgate render envoy policy.yaml --xds /etc/envoy/xds && envoy -c /etc/envoy/xds/envoy.yaml

The filter's own configuration is a file of its own, which `wicketgate render FILE --to ecds` writes (edge.files.filter).
With --xds, rendering again changes what differs: routes and clusters without closing a stream.";
