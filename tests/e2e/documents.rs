//! Are the documents true? Every block of every Markdown file is executed, compiled or compared as it stands there.
//!
//! | module | question |
//! |---|---|
//! | [`block`] | which commands, configurations and outputs stand in the documents? |
//! | [`shell`] | how is a command run as its reader would run it? |
//! | [`scenes`] | who executes which block, and which lines does nobody execute? |
//! | [`product`] | does `make run` do what is said, and does Ctrl-C stop it? |
//! | the others | what does a reader of that document have at hand, and what must come of it? |

pub(crate) mod block;
mod by_hand;
mod clients;
mod command_line;
mod conformance;
mod kubernetes;
mod product;
mod sample;
mod scenes;
pub(crate) mod shell;
mod sidecar;
mod two_servers;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use wicketgate_e2e::layout;

use self::block::{documents, spans, text};

#[test]
fn every_yaml_block_compiles() {
    let (mut policies, mut sidecars) = (0, 0);
    for block in block::all().into_iter().filter(|block| block.language == "yaml") {
        let directory = tempfile::tempdir().unwrap();
        let (mut check, text) = if block.text().contains("\nservers:") {
            policies += 1;
            (command("wicketgate", &["check", "document.yaml"]), block.text().to_owned())
        } else {
            sidecars += 1;
            sidecar::lay_out_secrets(directory.path());
            let check = command("wicketgate-auth", &["check", "--config", "document.yaml"]);
            (check, sidecar::whole(block.text()))
        };
        fs::write(directory.path().join("document.yaml"), text).unwrap();
        let checked = check.current_dir(directory.path()).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{block} is refused: {said}");
    }
    assert!(policies > 1 && sidecars > 1, "{policies} {sidecars}");
}

#[test]
fn every_link_into_the_repository_leads_somewhere() {
    let mut followed = 0;
    for document in documents() {
        let text = text(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let target = layout::root().join(document.parent().unwrap_or(Path::new(""))).join(path);
            assert!(target.exists(), "{} links to {link}", document.display());
            followed += 1;
        }
    }
    assert!(followed > 10, "{followed}");
}

/// Blocks are executed; what a sentence only mentions (`make ci`) must at least be there.
#[test]
fn every_command_in_a_sentence_exists() {
    let makefile = text(Path::new("Makefile"));
    let help = |name: &str| {
        let output = command(name, &["--help"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (cli, sidecar) = (help("wicketgate"), help("wicketgate-auth"));
    let mut found = 0;
    for span in spans() {
        let mut words = span.text().split_whitespace();
        let (command, first) = (words.next().unwrap_or_default(), words.find(|word| !word.starts_with('-')));
        let Some(first) = first.filter(|f| f.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')) else {
            continue;
        };
        let there = match command {
            "make" => makefile.contains(&format!("\n{first}:")),
            "wicketgate" => cli.contains(&format!("\n  {first} ")),
            "wicketgate-auth" => sidecar.contains(first),
            _ => continue,
        };
        assert!(there, "{span}: {}", span.text());
        found += 1;
    }
    assert!(found > 4, "{found}");
}

fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(layout::binary(name).unwrap());
    command.args(arguments);
    command
}

/// Past the test harness, which keeps what a passed test prints to itself.
fn say_skipped(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {sentence}.");
}
