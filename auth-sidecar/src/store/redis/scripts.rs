//! The scripts that run inside Redis; what each does is said in its own file.

use redis::Script;

/// All of them, with their digests.
pub(super) struct Scripts {
    pub(super) swap: Script,
    pub(super) put_new: Script,
    pub(super) take: Script,
    pub(super) count: Script,
    pub(super) uncount: Script,
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
            swap: Script::new(include_str!("scripts/swap.lua")),
            put_new: Script::new(include_str!("scripts/put_new.lua")),
            take: Script::new(include_str!("scripts/take.lua")),
            count: Script::new(include_str!("scripts/count.lua")),
            uncount: Script::new(include_str!("scripts/uncount.lua")),
            list_add: Script::new(include_str!("scripts/list_add.lua")),
            list_remove: Script::new(include_str!("scripts/list_remove.lua")),
            list: Script::new(include_str!("scripts/list.lua")),
            announce: Script::new(include_str!("scripts/announce.lua")),
            news: Script::new(include_str!("scripts/news.lua")),
        }
    }
}
