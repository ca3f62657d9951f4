//! What stands in the table? `tests/corpus/bypass/`, read strictly; its first file explains its keys.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use wicketgate_e2e::world::HostMode;
use wicketgate_e2e::{files, layout};

/// What the techniques are tried on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) requests: BTreeMap<String, Request>,
    pub(super) positions: BTreeMap<String, Position>,
}

/// A request that passes as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) params: Value,
    /// The member of its params that `Mcp-Name` repeats.
    pub(super) mirrors: Option<String>,
    /// The only era that has it.
    pub(super) era: Option<Era>,
    /// A notification.
    #[serde(default)]
    pub(super) silent: bool,
}

/// A place in a request that is read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    pub(super) of: String,
    pub(super) path: Vec<String>,
    pub(super) bad: String,
    pub(super) era: Option<Era>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Technique {
    pub(super) technique: String,
    pub(super) because: String,
    pub(super) gets: Option<Gets>,
    pub(super) cases: Vec<Case>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Case {
    pub(super) case: String,
    pub(super) at: Vec<String>,
    pub(super) asks: Vec<String>,
    pub(super) member: Option<String>,
    pub(super) value: Option<String>,
    pub(super) body: Option<String>,
    pub(super) each: Vec<String>,
    pub(super) fields: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) without: Vec<String>,
    pub(super) verb: Option<String>,
    pub(super) path: Option<String>,
    pub(super) host: Option<String>,
    pub(super) chunks: Option<usize>,
    pub(super) trailers: Vec<String>,
    pub(super) stays_here: Vec<String>,
    pub(super) era: Option<Era>,
    pub(super) gets: Option<Gets>,
    pub(super) but: Vec<But>,
}

/// What differs where everything that is said fits. The first that fits counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct But {
    era: Option<Era>,
    http: Option<u8>,
    mode: Option<Mode>,
    at: Vec<String>,
    asks: Vec<String>,
    each: Vec<String>,
    pub(super) gets: Option<Gets>,
    /// Why the case cannot be tried there.
    pub(super) left_out: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Era {
    Legacy,
    Modern,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Hold,
    Buffer,
}

/// What becomes of a request.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(super) enum Gets {
    Passes,
    /// One of these: a status (0: Envoy hangs up) and the reason of the decision record (`None`: there is none).
    Refused(Vec<(u16, Option<String>)>),
}

/// One case where it is tried.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The position or the request, by its name in the table.
    pub(super) at: Option<String>,
    pub(super) asks: String,
    pub(super) each: Option<String>,
    pub(super) era: Era,
    /// 1 or 2.
    pub(super) http: u8,
}

pub(super) fn asked() -> Asked {
    read("asked.yaml")
}

/// All techniques, in the order of their files' names.
pub(super) fn techniques() -> Vec<Technique> {
    let folder = layout::root().join("tests/corpus/bypass");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name != "asked.yaml");
    names.sort();
    names.iter().map(|name| read(name)).collect()
}

fn read<T: for<'d> Deserialize<'d>>(name: &str) -> T {
    let text = files::read(&layout::root().join("tests/corpus/bypass").join(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

// === impl Case ===

impl Case {
    /// Everywhere the case is tried, in both eras and over both versions of HTTP; what is left out too.
    pub(super) fn places(&self, asked: &Asked) -> Vec<Place> {
        let at: Vec<(Option<String>, String, Option<Era>)> = if self.at.is_empty() {
            let tool = vec!["tool".to_owned()];
            let asks = if self.asks.is_empty() { &tool } else { &self.asks };
            asks.iter().map(|asks| (None, asks.clone(), None)).collect()
        } else {
            let position = |name: String| {
                let found = asked.positions.get(&name);
                let found = found.unwrap_or_else(|| panic!("{}: no position {name}", self.case));
                (Some(name), found.of.clone(), found.era)
            };
            self.positions(asked).into_iter().map(position).collect()
        };
        let each: Vec<_> =
            if self.each.is_empty() { vec![None] } else { self.each.iter().cloned().map(Some).collect() };
        let mut places = Vec::new();
        for (at, asks, only) in at {
            let request = asked.requests.get(&asks);
            let request = request.unwrap_or_else(|| panic!("{}: no request {asks}", self.case));
            for era in [Era::Legacy, Era::Modern] {
                let fits = |limit: Option<Era>| limit.is_none_or(|limit| limit == era);
                if !(fits(only) && fits(request.era) && fits(self.era)) {
                    continue;
                }
                for (each, http) in each.iter().flat_map(|each| [(each, 1), (each, 2)]) {
                    places.push(Place { at: at.clone(), asks: asks.clone(), each: each.clone(), era, http });
                }
            }
        }
        places
    }

    fn positions(&self, asked: &Asked) -> Vec<String> {
        let [only] = self.at.as_slice() else { return self.at.clone() };
        let all = || asked.positions.keys().cloned();
        match only.strip_prefix("all but ") {
            Some(but) => all().filter(|name| name != but).collect(),
            None if only == "all" => all().collect(),
            None => vec![only.clone()],
        }
    }

    /// What it gets there, or why it is left out.
    pub(super) fn gets(
        &self,
        place: &Place,
        mode: HostMode,
        of_technique: Option<&Gets>,
    ) -> Result<Gets, String> {
        let but = self.but.iter().find(|but| but.fits(place, mode));
        if let Some(reason) = but.and_then(|but| but.left_out.clone()) {
            return Err(reason);
        }
        let gets = but.and_then(|but| but.gets.as_ref()).or(self.gets.as_ref()).or(of_technique);
        Ok(gets.unwrap_or_else(|| panic!("{} gets nothing", self.case)).clone())
    }
}

// === impl But ===

impl But {
    fn fits(&self, place: &Place, mode: HostMode) -> bool {
        let one_of = |names: &[String], name: Option<&String>| {
            names.is_empty() || name.is_some_and(|name| names.contains(name))
        };
        let same_mode = match self.mode {
            None => true,
            Some(Mode::Hold) => mode == HostMode::Hold,
            Some(Mode::Buffer) => mode == HostMode::Buffer,
        };
        same_mode
            && self.era.is_none_or(|era| era == place.era)
            && self.http.is_none_or(|http| http == place.http)
            && one_of(&self.at, place.at.as_ref())
            && one_of(&self.asks, Some(&place.asks))
            && one_of(&self.each, place.each.as_ref())
    }
}

// === impl Gets ===

impl TryFrom<String> for Gets {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "passes" {
            return Ok(Self::Passes);
        }
        let malformed = || format!("`{text}` is neither `passes` nor a status and a reason");
        let one = |words: &str| {
            let (status, reason) = words.split_once(' ').ok_or_else(malformed)?;
            let status = if status == "cut" { 0 } else { status.parse().map_err(|_| malformed())? };
            Ok((status, (reason != "envoy").then(|| reason.to_owned())))
        };
        text.split(" or ").map(one).collect::<Result<_, _>>().map(Self::Refused)
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(each) = &self.each {
            write!(f, " / {each}")?;
        }
        write!(f, " / {} / {:?} / HTTP/{}", self.at.as_ref().unwrap_or(&self.asks), self.era, self.http)
    }
}
