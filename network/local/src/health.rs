//! Asks the nodes how they fare, as an administrator of each node's own organisation.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use transport::{TlsIdentity, TrustRoots};
use web::HttpsClient;

use crate::consortium::Node;
use crate::folder::Folder;
use crate::state::State;

/// A node on the same machine answers in milliseconds, or is busy starting.
const REQUEST_DEADLINE: Duration = Duration::from_secs(3);

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Fabric's words: `OK` or `Service Unavailable`.
    #[serde(default)]
    pub status: String,
    /// The release.
    #[serde(default)]
    pub version: String,
    /// Every part of the node.
    #[serde(default)]
    pub components: BTreeMap<String, Component>,
}

/// How a part of a node fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// Whether it does its work.
    pub healthy: bool,
    /// Why it does not.
    #[serde(default)]
    pub reason: String,
    /// What it knows of itself.
    #[serde(default)]
    pub facts: serde_json::Value,
}

impl Health {
    /// Whether every part does its work.
    pub fn is_healthy(&self) -> bool {
        self.status == "OK"
    }

    /// The parts that do not, for people.
    pub fn complaints(&self) -> Vec<String> {
        let ill = self.components.iter().filter(|(_, component)| !component.healthy);
        ill.map(|(name, component)| format!("{name}: {}", component.reason)).collect()
    }

    /// The peers whose ledgers differ from that of this one, as it tells of the channel's attestations.
    pub fn differing(&self, channel: &str) -> Vec<String> {
        let told = || self.components.get("channels")?.facts.get(channel)?.get("attestations")?.as_array();
        let differing = told().into_iter().flatten().filter(|row| row["ledger"] == "differs");
        let text = |row: &serde_json::Value| {
            let (msp_id, poi) = (row["msp_id"].as_str().unwrap_or("?"), row["poi"].as_str().unwrap_or("?"));
            format!(
                "channels: peer {poi:.12} of {msp_id} attests another ledger at block {}",
                row["block_number"]
            )
        };
        differing.map(text).collect()
    }

    /// How many blocks the node holds of the channel; `None` if it does not serve it. Orderers tell it in a component
    /// `channel NAME`, peers under the channel's name in the component `channels`.
    pub fn height(&self, channel: &str) -> Option<u64> {
        let own = self.components.get(&format!("channel {channel}")).map(|component| &component.facts);
        let listed = || self.components.get("channels")?.facts.get(channel);
        own.or_else(listed)?.get("height")?.as_u64()
    }
}

/// Asks one node.
#[derive(Debug)]
pub struct Asking {
    client: HttpsClient,
    url: String,
}

impl Asking {
    /// Reads the administrator's TLS key and the organisation's TLS authority.
    ///
    /// # Errors
    /// Names the file that is missing or damaged.
    pub fn new(folder: &Folder, state: &State, node: Node) -> anyhow::Result<Self> {
        let admin = folder.user(node, "Admin").join("tls");
        let read = |name: &str| {
            let path = admin.join(name);
            fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))
        };
        let identity = TlsIdentity::from_pem(&read("client.crt")?, &read("client.key")?)
            .with_context(|| format!("the TLS key in {}", admin.display()))?;
        let roots = TrustRoots::from_pem([read("ca.crt")?.as_slice()])
            .with_context(|| format!("the TLS authority in {}", admin.display()))?;
        let client = HttpsClient::new(&identity, &roots)?;
        Ok(Self { client, url: format!("https://127.0.0.1:{}/healthz", state.ports(node).operations) })
    }

    /// What the node says.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self) -> anyhow::Result<Health> {
        let reply = tokio::time::timeout(REQUEST_DEADLINE, self.client.get(&self.url))
            .await
            .with_context(|| format!("no answer within {} s", REQUEST_DEADLINE.as_secs()))??;
        serde_json::from_slice(&reply.body).context("the answer is no health page")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_nodes_write_it() {
        let text = r#"{"status":"Service Unavailable","version":"0.1.0","components":{
            "channel reports":{"healthy":false,"reason":"no leader","facts":{"height":7,"role":"candidate"}}}}"#;
        let health: Health = serde_json::from_str(text).unwrap();
        assert!(!health.is_healthy());
        assert_eq!(health.complaints(), ["channel reports: no leader"]);
        assert_eq!((health.height("reports"), health.height("other")), (Some(7), None));
        let text =
            r#"{"status":"OK","components":{"channels":{"healthy":true,"facts":{"reports":{"height":9}}}}}"#;
        let health: Health = serde_json::from_str(text).unwrap();
        assert_eq!((health.height("reports"), health.height("other")), (Some(9), None));
        assert_eq!((health.is_healthy(), health.complaints().len()), (true, 0));
        assert!(health.differing("reports").is_empty());
        let text = r#"{"status":"OK","components":{"channels":{"healthy":true,"facts":{"reports":{"attestations":[
            {"msp_id":"HospitalBMSP","poi":"0123456789abcdef","block_number":7,"ledger":"differs"},
            {"msp_id":"HospitalCMSP","poi":"ff","block_number":8,"ledger":"agrees"}]}}}}}"#;
        let health: Health = serde_json::from_str(text).unwrap();
        let expected = "channels: peer 0123456789ab of HospitalBMSP attests another ledger at block 7";
        assert_eq!(health.differing("reports"), [expected]);
        assert!(health.differing("other").is_empty());
    }
}
