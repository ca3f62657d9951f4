//! Are the documents true? Every YAML policy in them compiles, every path that they name is there, every make target and
//! subcommand that they use exists.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wicketgate_e2e::layout;

/// All Markdown files of the repository, relative to its root.
fn documents() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(layout::root()).output().unwrap();
    let files: Vec<PathBuf> = String::from_utf8(listed.stdout).unwrap().lines().map(PathBuf::from).collect();
    assert!(files.len() > 8, "{files:?}");
    files
}

fn text(document: &Path) -> String {
    fs::read_to_string(layout::root().join(document)).unwrap()
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

#[test]
fn every_policy_in_a_document_compiles() {
    let cli = layout::binary("wicketgate").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut compiled = 0;
    for document in documents() {
        let text = text(&document);
        for block in
            blocks(&text, "yaml").iter().filter(|b| b.contains("version: 1\n") && b.contains("servers:"))
        {
            let file = directory.path().join("policy.yaml");
            fs::write(&file, block).unwrap();
            let checked = Command::new(&cli).arg("check").arg(&file).output().unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{}: {said}\n{block}", document.display());
            compiled += 1;
        }
    }
    assert!(compiled > 0, "the documents hold a policy");
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

#[test]
fn every_command_in_a_document_exists() {
    let makefile = text(Path::new("Makefile"));
    let cli = layout::binary("wicketgate").unwrap();
    let help = Command::new(cli).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let mut found = 0;
    for document in documents() {
        let text = text(&document);
        let lines: Vec<String> = ["sh", "bash", "console"].iter().flat_map(|l| blocks(&text, l)).collect();
        for line in lines.iter().flat_map(|b| b.lines()) {
            let mut words = line.split_whitespace().skip_while(|w| w.contains('='));
            let (command, first) = (words.next().unwrap_or_default(), words.find(|w| !w.starts_with('-')));
            let Some(first) = first.filter(|f| f.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')) else {
                continue;
            };
            match command {
                "make" => {
                    assert!(makefile.contains(&format!("\n{first}:")), "{}: {line}", document.display())
                }
                "wicketgate" => assert!(help.contains(first), "{}: {line}", document.display()),
                _ => continue,
            }
            found += 1;
        }
    }
    assert!(found > 4, "{found}");
}
