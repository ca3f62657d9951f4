//! `store`: all that it keeps, into a file and out of it, and forward to this program's version.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::value::RawValue;
use wicketgate_auth::admin_client::{Admin, Question};
use wicketgate_auth::clock::{Clock, SystemClock};
use wicketgate_auth::config::Config;
use wicketgate_auth::store::transfer::{self, SCHEMA};
use wicketgate_auth::store::{Store, StoreError};

use super::{Asked, FAILED, Failure, Outcome, failed, load, output};

#[derive(Subcommand)]
pub(super) enum StoreCommand {
    /// Write all that the store keeps as JSON lines, also while a server runs: a backup, or the way to another store. Digests and
    /// sealed keys are in it: keep it like the store itself.
    Export {
        #[command(flatten)]
        asked: Asked,
        /// Made anew with mode 0600; left out: standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take over what `export` wrote, into a store that is empty and that no server uses.
    Import {
        #[command(flatten)]
        asked: Asked,
        /// What `export` wrote; `-`: standard input.
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// Bring the names and forms of the records to this program's version.
    Migrate(Asked),
}

/// One page of what a running server tells.
#[derive(Deserialize)]
struct Told {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// Where items come from: the store itself, or the server that has it open.
enum Source {
    Store(Store),
    Server(Box<Admin>),
}

pub(super) fn run(command: &StoreCommand) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    match command {
        StoreCommand::Export { asked, output } => {
            let config = load(&asked.config)?;
            match output {
                Some(path) => {
                    let exported = runtime.block_on(export(&config, &mut private(path)?))?;
                    output::done(asked, &format!("{exported} items"))
                }
                None => runtime.block_on(export(&config, &mut std::io::stdout())).map(drop),
            }
        }
        StoreCommand::Import { asked, from } => {
            let imported = runtime.block_on(import(&load(&asked.config)?, reader(from)?))?;
            output::done(asked, &format!("{imported} items"))
        }
        StoreCommand::Migrate(asked) => {
            runtime.block_on(async { open(&load(&asked.config)?)?.admit_schema().await.map_err(failed) })?;
            output::done(
                asked,
                &format!("the store has schema {SCHEMA}, which is this program's: nothing is to be done"),
            )
        }
    }
}

async fn export(config: &Config, to: &mut impl Write) -> Outcome<usize> {
    let source = Source::of(config)?;
    let (mut place, mut written) = (None, 0);
    loop {
        let (lines, next) = source.page(place.as_deref()).await?;
        for line in &lines {
            writeln!(to, "{line}").map_err(failed)?;
        }
        written += lines.len();
        match next {
            Some(next) => place = Some(next),
            None => break,
        }
    }
    writeln!(to, "{}", transfer::end(written)).map_err(failed)?;
    to.flush().map_err(failed)?;
    Ok(written)
}

/// Everything is read before anything is written: a file that cannot be read, or is of another version, changes nothing.
async fn import(config: &Config, from: Box<dyn BufRead>) -> Outcome<usize> {
    let items = transfer::read(from).map_err(failed)?;
    open(config)?.import_all(items, SystemClock.now()).await.map_err(failed)
}

fn opened(config: &Config) -> Result<Store, StoreError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Store::open(&config.store, &clock)
}

fn open(config: &Config) -> Outcome<Store> {
    opened(config).map_err(|error| match error {
        StoreError::InUse(_) => failed(format!("{error}: stop the server first")),
        other => failed(other),
    })
}

/// Who owns it alone may read it.
fn private(path: &Path) -> Outcome<std::fs::File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| Failure { code: FAILED, message: format!("{}: {error}", path.display()) })
}

fn reader(path: &Path) -> Outcome<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = std::fs::File::open(path);
    let file = file.map_err(|error| failed(format!("{}: {error}", path.display())))?;
    Ok(Box::new(BufReader::new(file)))
}

// === impl Source ===

impl Source {
    /// The file admits one process: while a server has it, that one is asked.
    fn of(config: &Config) -> Outcome<Self> {
        match opened(config) {
            Ok(store) => Ok(Self::Store(store)),
            Err(StoreError::InUse(_)) => Ok(Self::Server(Box::new(Admin::of(config).map_err(failed)?))),
            Err(error) => Err(failed(error)),
        }
    }

    /// Lines, and where the others begin.
    async fn page(&self, place: Option<&str>) -> Outcome<(Vec<String>, Option<String>)> {
        match self {
            Self::Store(store) => {
                let page = store.export(place, SystemClock.now()).await.map_err(failed)?;
                let lines = page.items.iter().map(serde_json::to_string).collect::<Result<_, _>>();
                Ok((lines.map_err(failed)?, page.next))
            }
            Self::Server(admin) => {
                let path = format!("/v1/store/export?place={}", output::encoded(place.unwrap_or_default()));
                let told = admin.ask(&Question::get(&path)).await.map_err(failed)?;
                let told: Told = serde_json::from_str(&told.to_string()).map_err(failed)?;
                Ok((told.items.iter().map(|item| item.get().to_owned()).collect(), told.next))
            }
        }
    }
}
