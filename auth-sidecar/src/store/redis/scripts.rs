//! The scripts that run inside Redis; what each does is said in its own file.

use redis::Cmd;

/// A script and its digest.
pub(super) struct Script {
    digest: String,
    text: &'static str,
}

/// A script with what it is to work on.
pub(super) struct Call<'a> {
    script: &'a Script,
    keys: &'a [String],
    arguments: Vec<Vec<u8>>,
}

/// All of them.
pub(super) struct Scripts {
    pub(super) put: Script,
    pub(super) put_new: Script,
    pub(super) swap: Script,
    pub(super) take: Script,
    pub(super) count: Script,
    pub(super) uncount: Script,
    pub(super) lend: Script,
    pub(super) list_add: Script,
    pub(super) list_remove: Script,
    pub(super) list: Script,
    pub(super) announce: Script,
    pub(super) news: Script,
}

// === impl Scripts ===

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            put: Script::new(concat!(include_str!("scripts/once.lua"), include_str!("scripts/put.lua"))),
            put_new: Script::new(concat!(
                include_str!("scripts/once.lua"),
                include_str!("scripts/put_new.lua")
            )),
            swap: Script::new(concat!(include_str!("scripts/once.lua"), include_str!("scripts/swap.lua"))),
            take: Script::new(concat!(include_str!("scripts/once.lua"), include_str!("scripts/take.lua"))),
            count: Script::new(include_str!("scripts/count.lua")),
            uncount: Script::new(include_str!("scripts/uncount.lua")),
            lend: Script::new(include_str!("scripts/lend.lua")),
            list_add: Script::new(include_str!("scripts/list_add.lua")),
            list_remove: Script::new(include_str!("scripts/list_remove.lua")),
            list: Script::new(include_str!("scripts/list.lua")),
            announce: Script::new(include_str!("scripts/announce.lua")),
            news: Script::new(include_str!("scripts/news.lua")),
        }
    }
}

// === impl Script ===

impl Script {
    fn new(text: &'static str) -> Self {
        Self { digest: redis::Script::new(text).get_hash().to_owned(), text }
    }

    pub(super) fn on<'a>(&'a self, keys: &'a [String], arguments: Vec<Vec<u8>>) -> Call<'a> {
        Call { script: self, keys, arguments }
    }
}

// === impl Call ===

impl Call<'_> {
    /// For a server that knows the script.
    pub(super) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", &self.script.digest)
    }

    /// For one that does not, and will afterwards. (`SCRIPT LOAD` asks all nodes of a cluster, and fails when one is away.)
    pub(super) fn in_full(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(self.keys).arg(self.arguments.as_slice());
        command
    }
}
