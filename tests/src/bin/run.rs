//! What does `make run` do? Starts the whole product, says how to use it, and stops it on Ctrl-C or SIGTERM.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use tokio::signal::unix::{SignalKind, signal};
use wicketgate_e2e::failure::Context as _;
use wicketgate_e2e::upstream::Upstream;
use wicketgate_e2e::world::{Plan, World};
use wicketgate_e2e::{Failure, Result, files, policy};

/// What the environment asks for.
struct Wish {
    plan: Plan,
    /// The policy was written here because there was none.
    policy_written: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    // Records and logs of this run, and of its children, are for this user alone.
    umask(Mode::RWXG | Mode::RWXO);
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nmake run: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let Wish { plan, policy_written } = wish(|name| std::env::var(name).ok())?;
    let mut stop = std::pin::pin!(stop_signal());
    eprintln!("\nstarting");
    let started = tokio::select! {
        started = World::start(plan, |part| eprintln!("   {part}")) => started?,
        stopped = &mut stop => return stopped,
    };
    let mut world = started;
    world.ready().write(&world.state)?;
    print_welcome(&world, policy_written);

    let render_log = world.state.join("render.log");
    let ended = tokio::select! {
        failure = world.death() => Err(failure),
        stopped = &mut stop => stopped,
        () = follow(&render_log) => Ok(()),
    };
    eprintln!("\nstopping");
    world.stop().await;
    ended
}

/// Reads UPSTREAM, POLICY, PORT, AUTH_CONFIG and STATE; one that is empty counts as unset.
fn wish(get: impl Fn(&str) -> Option<String>) -> Result<Wish> {
    let variable = |name| get(name).filter(|value| !value.is_empty());
    let state = PathBuf::from(variable("STATE").unwrap_or_else(|| ".run".into()));
    let port = variable("PORT").unwrap_or_else(|| "8080".into());
    let port = port.parse().ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| Failure::new("PORT must be a number from 1 to 65535."))?;
    let mut plan = Plan::sample(state, port);
    // Another PORT means that there may be a second run: its other ports are not the documented ones either.
    plan.documented_ports = port == 8080;
    plan.upstream = variable("UPSTREAM").map(|url| Upstream::parse(&url)).transpose()?;
    plan.auth_config = variable("AUTH_CONFIG").map(|path| existing("AUTH_CONFIG", path)).transpose()?;
    let mut policy_written = false;
    if let Some(path) = variable("POLICY") {
        plan.policy = existing("POLICY", path)?;
    } else if plan.upstream.is_some() {
        files::create_directory(&plan.state)?;
        plan.policy = policy::write_everything(&plan.state)?;
        policy_written = true;
    }
    Ok(Wish { plan, policy_written })
}

fn existing(name: &str, path: String) -> Result<PathBuf> {
    let path = PathBuf::from(path);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Failure::new(format!("{name}={} is not a file: give the path of one.", path.display())))
    }
}

async fn stop_signal() -> Result<()> {
    let listen = |kind| signal(kind).context(|| "cannot listen for signals".to_owned());
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Repeats what the policy compiler says after an edit; never ends.
async fn follow(log: &Path) {
    let mut shown = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let text = tokio::fs::read(log).await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.unwrap_or_default();
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.get(shown..complete).unwrap_or_default().lines() {
            eprintln!("policy: {line}");
        }
        shown = shown.max(complete);
    }
}

fn print_welcome(world: &World, policy_written: bool) {
    let World { mcp, origin, state, policy, .. } = world;
    let default_state = std::env::current_dir().is_ok_and(|directory| directory.join(".run") == *state);
    let mut token = "make -s token".to_owned();
    if cfg!(debug_assertions) {
        token += " PROFILE=debug";
    }
    if !default_state {
        token += &format!(" STATE={}", state.display());
    }
    println!("\nWicketgate is ready.\n");
    println!("  MCP URL     {mcp}");
    match &world.login {
        Some(login) => println!("  login       {} / {}", login.user, login.password),
        None => println!("  login       a user of your AUTH_CONFIG"),
    }
    if policy_written {
        println!(
            "  policy      {} (written for UPSTREAM: any authenticated principal may do everything)",
            policy.display()
        );
    } else {
        println!("  policy      {}", policy.display());
    }
    println!(
        "              an edit takes effect within two seconds; a wrong one changes nothing and is named here"
    );
    println!("  records     {}", state.join("audit.jsonl").display());
    println!("  status      {origin}/wicketgate/status\n");
    println!("A first call, with the Inspector's command line:\n");
    // The URL stands before --header, which takes every word up to the next option.
    println!("  npx -y --loglevel=error @modelcontextprotocol/inspector@2.12.0 --cli {mcp} \\");
    println!("    --header \"Authorization: Bearer $({token})\" --method tools/list\n");
    println!(
        "In a desktop client: give it the MCP URL where it speaks HTTP itself, and log in when it asks; else add\n"
    );
    println!(
        "  {{\"mcpServers\": {{\"wicketgate\": {{\"command\": \"npx\", \"args\": [\"-y\", \"mcp-remote\", \"{mcp}\"]}}}}}}\n"
    );
    println!("Ctrl-C stops everything that was started here.");
}

#[cfg(test)]
mod tests {
    use super::wish;

    fn wished(pairs: &[(&str, &str)]) -> wicketgate_e2e::Result<super::Wish> {
        wish(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_asked_for_means_the_sample_on_8080() {
        let plan = wished(&[("UPSTREAM", ""), ("PORT", "")]).unwrap().plan;
        assert_eq!((plan.port, plan.documented_ports), (8080, true));
        assert_eq!(plan.state, std::path::Path::new(".run"));
        assert!(plan.policy.ends_with("envoy/policies/sample.yaml") && plan.policy.is_file());
        assert_eq!(plan.upstream, None);
    }

    #[test]
    fn an_upstream_without_policy_gets_one_as_a_file_that_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().to_str().unwrap();
        let asked = [("UPSTREAM", "http://127.0.0.1:3001/mcp"), ("STATE", state), ("PORT", "8081")];
        let first = wished(&asked).unwrap();
        assert!(first.policy_written && !first.plan.documented_ports);
        assert!(std::fs::read_to_string(&first.plan.policy).unwrap().contains("who: any"));
        std::fs::write(&first.plan.policy, "edited").unwrap();
        let again = wished(&asked).unwrap();
        assert_eq!(std::fs::read_to_string(again.plan.policy).unwrap().trim_end(), "edited");
    }

    #[test]
    fn wrong_values_are_named() {
        for (name, value) in [
            ("PORT", "0"),
            ("PORT", "http"),
            ("PORT", "70000"),
            ("POLICY", "/no/file"),
            ("AUTH_CONFIG", "/"),
            ("UPSTREAM", "localhost"),
        ] {
            let refused = wished(&[(name, value)]).err().unwrap().to_string();
            assert!(refused.contains(name), "{name}={value}: {refused}");
        }
    }
}
