//! How soon after Envoy starts is the gateway ready, and what of that is the compiling of the module?

use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};
use wicketgate_e2e::process::Service;
use wicketgate_e2e::{files, layout};

use crate::process::Memory;
use crate::stage::{DEADLINE, Stage};
use crate::summary::{Summary, median};

const TIMES: usize = 5;
const BUDGET: f64 = 1.0;

pub(super) async fn run(stage: &mut Stage, summary: &mut Summary) {
    summary.part(&format!("Ready after the start of Envoy, median of {TIMES}"));
    stage.world.envoy.service.stop().await;
    let (mut whole, mut compiling, mut memory) = (Vec::new(), Vec::new(), None);
    for _ in 0..TIMES {
        let log = stage.world.state.join("start.log");
        let began = Instant::now();
        let mut envoy = start(stage);
        ready(stage, began).await;
        whole.push(began.elapsed().as_secs_f64());
        compiling.push(compile_time(&files::read(&log).unwrap()));
        memory = Some(Memory::of(envoy.pid()));
        envoy.stop().await;
    }
    let (whole, compiling) = (median(whole), median(compiling));
    let met = if whole <= BUDGET { "met" } else { "not met" };
    summary.told("status answers 200 after", format!("{whole:.2} s; budget {BUDGET:.0} s: {met}"));
    summary.told(
        "of it loading and compiling the module",
        format!("{compiling:.2} s, {:.0} %", 100.0 * compiling / whole),
    );
    let size = std::fs::metadata(layout::filter_module().unwrap()).unwrap().len();
    summary.told("size of the module", format!("{} KB", size / 1024));
    summary.told("memory", memory.unwrap());
}

/// As the harness starts it, but it tells of the module.
fn start(stage: &Stage) -> Service {
    let mut command = Command::new(layout::obtain("envoy").unwrap());
    command.arg("--config-path").arg(stage.world.state.join("envoy.yaml"));
    command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]);
    command.args(["--component-log-level", "wasm:debug"]);
    Service::spawn("envoy", command, &stage.world.state.join("start.log")).unwrap()
}

async fn ready(stage: &Stage, began: Instant) {
    let url = format!("{}/wicketgate/status", stage.world.origin);
    while stage
        .world
        .http
        .get(&url, &[])
        .await
        .is_ok_and(|answer| answer.status == 200)
        .then_some(())
        .is_none()
    {
        assert!(began.elapsed() < DEADLINE, "Envoy does not become ready");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Between the lines that the host writes before it loads a module and when its first VM has it.
fn compile_time(log: &str) -> f64 {
    let time = |what: &str| {
        let line = log.lines().find(|line| line.contains(what))?;
        let clock = line.split_once(' ')?.1.split_once(']')?.0;
        let mut parts = clock.split(':').map(|part| part.parse::<f64>().unwrap_or_default());
        Some(parts.next()? * 3600.0 + parts.next()? * 60.0 + parts.next()?)
    };
    let span = time("Base Wasm created").zip(time("Thread-Local Wasm created")).map(|(from, to)| to - from);
    // A night may lie between.
    span.map_or(0.0, |span| span.rem_euclid(86_400.0))
}
