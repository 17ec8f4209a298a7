//! Settings in layers: defaults, then a YAML file, then the environment, then flags; the later wins.
//!
//! The defaults are the schema: a key that they do not know is a problem. Keys match without regard to case, as in
//! Fabric, so that `CORE_PEER_LOCALMSPID` is `peer.localMspId`. A value that does not fit is reported and replaced by its
//! default, so that one pass finds everything that is wrong.

use std::collections::BTreeMap;
use std::path::Path;

use figment::Figment;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use serde::{Serialize, de::DeserializeOwned};

use crate::problems::{Origins, Problem, Problems, SettingsErrors, cut};

/// A settings file is a page of text; a larger one is another file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A value that a layer set, and where.
#[derive(Clone)]
struct Override {
    value: Value,
    origin: String,
}

/// Settings while their layers are added. Problems are kept until [`Layers::extract`] or [`Layers::resolve`].
#[derive(Default)]
pub struct Layers {
    schema: Dict,
    overrides: BTreeMap<String, Override>,
    problems: Vec<Problem>,
}

/// Settings as users wrote them, with where each came from.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub settings: T,
    /// Where each was set.
    pub origins: Origins,
}

impl Layers {
    /// Begins with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the defaults, which are also the schema: every key must be present (`None` for what has no default; an empty
    /// map accepts any key). Must be the first layer.
    #[must_use]
    pub fn defaults(mut self, defaults: &impl Serialize) -> Self {
        match Value::serialize(defaults).map(Value::into_dict) {
            Ok(Some(schema)) => self.schema = schema,
            _ => self.problem("defaults", "", "default", ["are no map: this is a bug of this release", ""]),
        }
        self
    }

    /// Adds a YAML file. A key without a value leaves what was set before.
    #[must_use]
    pub fn file(mut self, path: &Path) -> Self {
        let origin = format!("file {}", path.display());
        match read_yaml(path) {
            Ok(dict) => {
                let schema = std::mem::take(&mut self.schema);
                self.adopt(&schema, dict, "", &origin);
                self.schema = schema;
            }
            Err(reason) => self.problem("file", "", &origin, [&reason, "name a readable YAML file"]),
        }
        self
    }

    /// Adds this process's environment variables that begin with `prefix` and an underscore.
    #[must_use]
    pub fn env(self, prefix: &str) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        self.env_from(prefix, variables)
    }

    /// As [`Layers::env`], from the variables given.
    #[must_use]
    pub fn env_from(mut self, prefix: &str, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, value) in variables {
            let Some(path) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) else {
                continue;
            };
            let origin = format!("environment variable {name}");
            let segments: Vec<&str> = path.split('_').collect();
            match find(&self.schema, &segments) {
                Some(key) => self.set_text(key, &value, origin),
                None => self.problem(
                    &path.to_lowercase().replace('_', "."),
                    &value,
                    &origin,
                    ["is no setting of this node", "correct the variable's name or unset it"],
                ),
            }
        }
        self
    }

    /// Adds a flag that was given (`Some`); `name` is as the user types it, such as `--peerAddress`.
    #[must_use]
    pub fn flag(mut self, name: &str, key: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.set_text(key.to_owned(), &value, format!("flag {name}"));
        }
        self
    }

    /// Adds flags that were given, as `(name, key, value)`.
    #[must_use]
    pub fn flags<'a>(self, flags: impl IntoIterator<Item = (&'a str, &'a str, Option<String>)>) -> Self {
        flags.into_iter().fold(self, |layers, (name, key, value)| layers.flag(name, key, value))
    }

    /// Returns the settings as users wrote them.
    ///
    /// # Errors
    /// Every unknown key, unreadable file and value that does not fit.
    pub fn extract<T: DeserializeOwned>(self) -> Result<Loaded<T>, SettingsErrors> {
        let (settings, problems, origins) = self.read();
        problems.finish(settings).map(|settings| Loaded { settings, origins })
    }

    /// Turns the settings into what the node runs with. `passage` gets what users wrote (with defaults in place of what
    /// did not fit), adds its problems, and returns a value if it can.
    ///
    /// # Errors
    /// The problems of the layers and those of the passage, together.
    pub fn resolve<T: DeserializeOwned, A>(
        self,
        passage: impl FnOnce(&T, &mut Problems) -> Option<A>,
    ) -> Result<A, SettingsErrors> {
        let (settings, mut problems, _) = self.read();
        let actual = settings.and_then(|settings| passage(&settings, &mut problems));
        problems.finish(actual)
    }

    /// Reads the settings; `None` only if even the defaults do not fit.
    fn read<T: DeserializeOwned>(mut self) -> (Option<T>, Problems, Origins) {
        let origins =
            Origins(self.overrides.iter().map(|(key, set)| (key.clone(), set.origin.clone())).collect());
        let settings = loop {
            match self.figment().extract_lossy::<T>() {
                Ok(settings) => break Some(settings),
                Err(error) => {
                    // Each round takes one override away, so the loop ends.
                    if !self.take_blamed(&error) {
                        break None;
                    }
                }
            }
        };
        let mut problems = Problems::new(origins.clone());
        self.problems.into_iter().for_each(|problem| problems.push(problem));
        (settings, problems, origins)
    }

    fn figment(&self) -> Figment {
        let defaults = Figment::from(Serialized::defaults(self.schema.clone()));
        self.overrides
            .iter()
            .fold(defaults, |figment, (key, set)| figment.merge((key.as_str(), set.value.clone())))
    }

    /// Reports the value that an error is about and takes its override away; false if there is none.
    fn take_blamed(&mut self, error: &figment::Error) -> bool {
        let reason = match &error.kind {
            figment::error::Kind::UnknownVariant(_, known) => format!("is none of {}", known.join(", ")),
            kind => kind.to_string(),
        };
        let blamed = (1..=error.path.len()).rev().find_map(|length| {
            let (key, inner) = error.path.split_at(length);
            Some((self.overrides.remove(&key.join("."))?, inner))
        });
        let key = error.path.join(".");
        match &blamed {
            Some((set, inner)) => {
                let fix = "correct it, or remove it to have the default";
                self.problem(&key, &shown(within(&set.value, inner)), &set.origin, [&reason, fix]);
            }
            None => self.problem(&key, "", "default", [&reason, "set it"]),
        }
        blamed.is_some()
    }

    /// Takes the values of a file that the schema knows.
    fn adopt(&mut self, schema: &Dict, dict: Dict, path: &str, origin: &str) {
        for (name, value) in dict {
            let known = schema.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
            let Some((known, expected)) = known else {
                let names: Vec<&str> = schema.keys().map(String::as_str).collect();
                let fix = format!("correct or remove it; known here: {}", names.join(", "));
                self.problem(
                    &joined(path, &name),
                    &shown(&value),
                    origin,
                    ["is no setting of this node", &fix],
                );
                continue;
            };
            let key = joined(path, known);
            match (expected, value) {
                (_, Value::Empty(..)) => {}
                (Value::Dict(_, group), Value::Dict(_, inner)) if !group.is_empty() => {
                    self.adopt(group, inner, &key, origin);
                }
                (Value::Dict(_, group), other) if !group.is_empty() => {
                    let names: Vec<&str> = group.keys().map(String::as_str).collect();
                    let fix = format!("indent its settings below it: {}", names.join(", "));
                    self.problem(&key, &shown(&other), origin, ["is a group of settings, not a value", &fix]);
                }
                (_, value) => {
                    self.overrides.insert(key, Override { value, origin: origin.to_owned() });
                }
            }
        }
    }

    /// Takes a value that came as text: a list is separated by commas; numbers and booleans are read later.
    fn set_text(&mut self, key: String, text: &str, origin: String) {
        let Some(expected) = find_value(&self.schema, &key) else {
            let said = ["is no setting of this node: this is a bug of this release", ""];
            return self.problem(&key, text, &origin, said);
        };
        let is_list = matches!(expected, Value::Array(..));
        let value = if is_list {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::from(items.map(Value::from).collect::<Vec<_>>())
        } else {
            Value::from(text)
        };
        self.overrides.insert(key, Override { value, origin });
    }

    fn problem(&mut self, key: &str, value: &str, origin: &str, [reason, fix]: [&str; 2]) {
        self.problems.push(Problem {
            key: key.to_owned(),
            value: cut(value),
            origin: origin.to_owned(),
            reason: reason.to_owned(),
            fix: fix.to_owned(),
        });
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The key of a setting whose names are given in any case; groups are no settings.
fn find(schema: &Dict, segments: &[&str]) -> Option<String> {
    let (first, rest) = segments.split_first()?;
    let (known, value) = schema.iter().find(|(known, _)| known.eq_ignore_ascii_case(first))?;
    match value {
        Value::Dict(_, group) if !rest.is_empty() => find(group, rest).map(|key| joined(known, &key)),
        Value::Dict(..) => None,
        _ => rest.is_empty().then(|| known.clone()),
    }
}

fn find_value<'a>(schema: &'a Dict, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((first, rest)) => find_value(schema.get(first)?.as_dict()?, rest),
        None => schema.get(key),
    }
}

fn read_yaml(path: &Path) -> Result<Dict, String> {
    let bytes = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("has {bytes} bytes, over the limit of {FILE_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let dict: Option<Dict> =
        serde_yaml_ng::from_str(&text).map_err(|error| format!("is not usable YAML: {error}"))?;
    Ok(dict.unwrap_or_default())
}

/// The part of a value that a path leads to, or as far as it leads.
fn within<'a>(value: &'a Value, path: &[String]) -> &'a Value {
    let Some((first, rest)) = path.split_first() else { return value };
    let part = match value {
        Value::Dict(_, group) => group.get(first),
        Value::Array(_, items) => first.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    };
    part.map_or(value, |part| within(part, rest))
}

/// A value as its user would write it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, letter) => letter.to_string(),
        Value::Bool(_, claim) => claim.to_string(),
        Value::Num(..) => {
            let natural = value.to_u128().map(|number| number.to_string());
            let whole = natural.or_else(|| value.to_i128().map(|number| number.to_string()));
            whole.or_else(|| value.to_f64().map(|number| number.to_string())).unwrap_or_default()
        }
        Value::Empty(..) => String::new(),
        Value::Dict(_, group) => format!("{{{}}}", group.keys().cloned().collect::<Vec<_>>().join(", ")),
        Value::Array(_, items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests;
