//! The real program, which can be killed.

use std::process::{Child, Command, Stdio};

use crate::redis::until;
use crate::world::World;

/// A process that serves a world.
pub(crate) struct Served {
    pub(crate) world: World,
    process: Child,
}

// === impl Served ===

impl Served {
    /// Serves a prepared world.
    pub(crate) fn of(world: World) -> Self {
        let process = run(&world);
        let mut served = Self { world, process };
        served.find();
        served
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_file(self.world.folder.path().join("addresses.json")).unwrap();
    }

    /// Starts it again, at other addresses.
    pub(crate) fn start(&mut self) {
        self.process = run(&self.world);
        self.find();
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.world.folder.path().join("log")).unwrap()
    }

    fn find(&mut self) {
        let file = self.world.folder.path().join("addresses.json");
        until("the server listens", || file.exists());
        self.world.is_at(&serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn run(world: &World) -> Child {
    let config = world.folder.path().join("auth.yaml");
    std::fs::write(&config, &world.yaml).unwrap();
    let log =
        std::fs::File::options().create(true).append(true).open(world.folder.path().join("log")).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_wicketgate-auth"));
    program.args(["serve", "--config", config.to_str().unwrap()]).stdin(Stdio::null());
    program.stderr(log).spawn().unwrap()
}
