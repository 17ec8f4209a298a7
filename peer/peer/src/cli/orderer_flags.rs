//! Fabric's flags that name an orderer and its TLS.

use std::path::PathBuf;

use clap::Args;
use protocol::{ChannelId, Endpoint};
use transport::TrustRoots;

use super::exit::Failure;
use super::session::Session;
use super::settings::{parse_endpoint, roots_of_file};

/// The orderer of a verb.
#[derive(Args, Clone, Debug, Default)]
pub struct OrdererFlags {
    /// Use this orderer, past the gateway.
    #[arg(short = 'o', long = "orderer", value_name = "HOST:PORT")]
    orderer: Option<String>,
    /// Accepted as in Fabric; TLS is always used.
    #[arg(long)]
    tls: bool,
    /// TLS CA of the orderer; without it, those of the channel's configuration.
    #[arg(long, value_name = "FILE", requires = "orderer")]
    cafile: Option<PathBuf>,
    /// TLS certificate to call with, instead of CORE_PEER_TLS_CLIENTCERT_FILE.
    #[arg(long, value_name = "FILE", requires = "keyfile")]
    pub certfile: Option<PathBuf>,
    /// Key of --certfile.
    #[arg(long, value_name = "FILE", requires = "certfile")]
    pub keyfile: Option<PathBuf>,
    /// Accepted as in Fabric; a certificate is always shown.
    #[arg(long)]
    clientauth: bool,
    /// Must be the host of -o: here a node's certificate carries the name by which it is dialled.
    #[arg(long = "ordererTLSHostnameOverride", value_name = "NAME", requires = "orderer")]
    hostname_override: Option<String>,
}

impl OrdererFlags {
    /// The orderer named, with the CAs to believe.
    pub async fn orderer(
        &self,
        session: &Session,
        channel: &ChannelId,
    ) -> Result<Option<(Endpoint, TrustRoots)>, Failure> {
        let Some(endpoint) = self.endpoint()? else { return Ok(None) };
        let roots = match &self.cafile {
            Some(path) => {
                roots_of_file(path).map_err(|reason| Failure::fault(format!("--cafile: {reason}")))?
            }
            None => session.channel_roots(channel).await?,
        };
        Ok(Some((endpoint, roots)))
    }

    /// The orderer's address, if the flags agree with each other.
    pub fn endpoint(&self) -> Result<Option<Endpoint>, Failure> {
        let Some(text) = &self.orderer else { return Ok(None) };
        let endpoint = parse_endpoint(text).map_err(|reason| Failure::usage(format!("-o: {reason}")))?;
        match &self.hostname_override {
            Some(name) if *name != endpoint.host => Err(Failure::usage(format!(
                "--ordererTLSHostnameOverride {name} differs from the host of -o {endpoint}: dial the orderer by a name that \
                 its certificate carries (-o {name}:{}), in /etc/hosts if need be",
                endpoint.port
            ))),
            _ => Ok(Some(endpoint)),
        }
    }
}
