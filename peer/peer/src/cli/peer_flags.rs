//! Fabric's flags that name peers to be asked past the gateway.

use std::path::PathBuf;

use clap::Args;
use protocol::{ChannelId, Endpoint};
use transport::TrustRoots;

use super::exit::Failure;
use super::session::Session;
use super::settings::{parse_endpoint, roots_of_file};

/// The peers of a verb.
#[derive(Args, Clone, Debug, Default)]
pub struct PeerFlags {
    /// Ask this peer, past the gateway; may be given many times.
    #[arg(long = "peerAddresses", value_name = "HOST:PORT", value_delimiter = ',')]
    addresses: Vec<String>,
    /// TLS CA of each peer of --peerAddresses, in the same order; without it, those of the channel's configuration.
    #[arg(long = "tlsRootCertFiles", value_name = "FILE", value_delimiter = ',', requires = "addresses")]
    root_files: Vec<PathBuf>,
}

impl PeerFlags {
    /// The peers named, each with the CAs to believe.
    pub async fn peers(
        &self,
        session: &Session,
        channel: &ChannelId,
    ) -> Result<Vec<(Endpoint, TrustRoots)>, Failure> {
        let endpoints = self.endpoints()?;
        if endpoints.is_empty() {
            return Ok(Vec::new());
        }
        if self.root_files.is_empty() {
            let roots = session.channel_roots(channel).await?;
            return Ok(endpoints.into_iter().map(|endpoint| (endpoint, roots.clone())).collect());
        }
        let with_roots = endpoints.into_iter().zip(&self.root_files).map(|(endpoint, path)| {
            let roots = roots_of_file(path)
                .map_err(|reason| Failure::fault(format!("--tlsRootCertFiles: {reason}")))?;
            Ok((endpoint, roots))
        });
        with_roots.collect()
    }

    /// The peers' addresses, if there are as many files as addresses.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, Failure> {
        if !self.root_files.is_empty() && self.root_files.len() != self.addresses.len() {
            return Err(Failure::usage(format!(
                "{} --peerAddresses and {} --tlsRootCertFiles: give one file for each peer, or none at all",
                self.addresses.len(),
                self.root_files.len()
            )));
        }
        let parsed = self.addresses.iter().map(|text| {
            parse_endpoint(text).map_err(|reason| Failure::usage(format!("--peerAddresses: {reason}")))
        });
        parsed.collect()
    }
}
