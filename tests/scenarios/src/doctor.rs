//! A user in this process, through the crate `client`: for many calls, and for calls that no command line makes.

use std::future::Future;

use anyhow::{Context as _, Result};
use client::{Connection, ConnectionSettings, Deadlines};
use msp::SigningIdentity;
use protocol::{ChannelId, Endpoint, MspId};
use testnet::User;
use tokio::runtime::Runtime;
use transport::{TlsIdentity, TrustRoots};

/// A user with an open connection to the own hospital's peer.
#[derive(Debug)]
pub struct Doctor {
    runtime: Runtime,
    connection: Connection,
    channel: ChannelId,
}

impl Doctor {
    /// Connects.
    ///
    /// # Errors
    /// Where the peer is not reached or the material is not readable.
    pub fn connect(user: &User, deadlines: Deadlines) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(Connection::open(connection_settings(user, deadlines)?))?;
        Ok(Self { runtime, connection, channel: ChannelId::new(user.channel())? })
    }

    /// Runs calls on the connection.
    pub fn run<'a, T, F: Future<Output = T>>(
        &'a self,
        calls: impl FnOnce(&'a Connection, &'a ChannelId) -> F,
    ) -> T {
        self.runtime.block_on(calls(&self.connection, &self.channel))
    }
}

/// What connects a user with the own hospital's peer.
///
/// # Errors
/// Where the material is not readable.
pub fn connection_settings(user: &User, deadlines: Deadlines) -> Result<ConnectionSettings> {
    Ok(ConnectionSettings {
        endpoint: endpoint(user.address())?,
        tls: tls_identity(user)?,
        roots: TrustRoots::from_pem([&std::fs::read(user.tls_root())?[..]])?,
        signer: signer(user)?,
        deadlines,
    })
}

/// The user's signing identity.
///
/// # Errors
/// Where the MSP folder is not readable.
pub fn signer(user: &User) -> Result<SigningIdentity> {
    let folder = node::load_msp(&user.msp_folder(), MspId::new(user.hospital().msp_id())?)?;
    Ok(folder.into_signer()?)
}

/// The user's TLS identity.
///
/// # Errors
/// Where its files are not readable.
pub fn tls_identity(user: &User) -> Result<TlsIdentity> {
    let folder = user.tls_folder();
    let read = |name: &str| {
        std::fs::read(folder.join(name)).with_context(|| folder.join(name).display().to_string())
    };
    Ok(TlsIdentity::from_pem(&read("client.crt")?, &read("client.key")?)?)
}

/// `host:port` as an endpoint.
///
/// # Errors
/// Where it is none.
pub fn endpoint(address: &str) -> Result<Endpoint> {
    let (host, port) = address.rsplit_once(':').with_context(|| format!("{address:?} has no port"))?;
    Ok(Endpoint { host: host.to_owned(), port: port.parse()? })
}
