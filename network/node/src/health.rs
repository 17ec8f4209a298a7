//! How a node fares, component by component, and the answer of `/healthz`.
//!
//! A component reports when it changes, or registers a question that is asked at each request. Facts are for operators
//! of the consortium: heights, counts, times; never names of patients, keys or contents.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde_json::{Value, json};
use web::{Reply, Route};

/// How one component fares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Component {
    /// Whether it does its work.
    pub healthy: bool,
    /// Why it does not, and what to do; empty if it does.
    pub reason: String,
    /// Facts, such as `{ "height": 7 }`.
    pub facts: Value,
}

impl Component {
    /// A component that does its work.
    #[must_use]
    pub fn up(facts: Value) -> Self {
        Self { healthy: true, reason: String::new(), facts }
    }

    /// A component that does not.
    #[must_use]
    pub fn down(reason: impl Into<String>, facts: Value) -> Self {
        Self { healthy: false, reason: reason.into(), facts }
    }
}

type Question = Arc<dyn Fn() -> Component + Send + Sync>;

#[derive(Clone)]
enum Entry {
    Reported(Component),
    Asked(Question),
}

/// The components of a node. Clones share them.
#[derive(Clone)]
pub struct Health {
    version: &'static str,
    entries: Arc<RwLock<BTreeMap<String, Entry>>>,
}

impl Health {
    /// Begins with no component; `version` is the binary's (`env!("CARGO_PKG_VERSION")`).
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        Self { version, entries: Arc::default() }
    }

    /// Says how a component fares from now on.
    pub fn report(&self, component: &str, state: Component) {
        self.set(component, Entry::Reported(state));
    }

    /// Has a component asked at each request. The question must be quick: a look at counters, no waiting.
    pub fn ask(&self, component: &str, question: impl Fn() -> Component + Send + Sync + 'static) {
        self.set(component, Entry::Asked(Arc::new(question)));
    }

    /// How every component fares now.
    #[must_use]
    pub fn components(&self) -> BTreeMap<String, Component> {
        // Questions are asked outside the lock, so that one which reports does not wait for itself.
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = |entry| match entry {
            Entry::Reported(state) => state,
            Entry::Asked(question) => question(),
        };
        entries.into_iter().map(|(name, entry)| (name, answer(entry))).collect()
    }

    /// Whether every component does its work.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.components().values().all(|component| component.healthy)
    }

    /// The answer of `/healthz`: 200 if every component does its work, else 503; the words of `status` are Fabric's.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let components = self.components();
        let healthy = components.values().all(|component| component.healthy);
        let (code, status) = if healthy { (200, "OK") } else { (503, "Service Unavailable") };
        Reply::json(code, &json!({ "status": status, "version": self.version, "components": components }))
    }

    fn set(&self, component: &str, entry: Entry) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.insert(component.to_owned(), entry);
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Health({:?})", self.components())
    }
}

/// The route `/healthz` of a web listener.
#[must_use]
pub fn health_route(health: Health) -> Route {
    Route::get("/healthz", move |_| {
        let reply = health.reply();
        async move { reply }
    })
}
