//! A verb's connection, and the channel that it means.

use client::{Connection, ReportIdError, resolve_report_id};
use protocol::{ChannelId, TxId};
use transport::TrustRoots;

use super::exit::Failure;
use super::settings::{FlagValues, Sources};

/// An open connection with the settings that outlive its opening.
pub struct Session {
    /// The connection to the own peer.
    pub connection: Connection,
    channel: Option<ChannelId>,
}

impl Session {
    /// Reads the settings and dials the own peer.
    pub async fn open(flags: FlagValues) -> Result<Self, Failure> {
        let settings = Sources::of_process(flags)?.load()?;
        let connection = Connection::open(settings.connection).await?;
        Ok(Self { connection, channel: settings.channel })
    }

    /// The channel of the flag, else of the settings, else the peer's only one.
    pub async fn channel(&self, flag: Option<&ChannelId>) -> Result<ChannelId, Failure> {
        if let Some(channel) = flag.or(self.channel.as_ref()) {
            return Ok(channel.clone());
        }
        let channels = self.connection.channels().await?;
        only_channel(&channels)
    }

    /// The report that a possibly abbreviated id means.
    pub async fn report_id(&self, channel: &ChannelId, text: &str) -> Result<TxId, Failure> {
        match resolve_report_id(text, channel.as_str(), []) {
            Err(ReportIdError::None { .. }) => {}
            decided => return Ok(decided?),
        }
        let reports = self.connection.list_reports(channel).await?;
        let known = reports.iter().map(|record| &record.report_id);
        Ok(resolve_report_id(text, channel.as_str(), known)?)
    }

    /// The TLS CAs of all organisations of a channel.
    pub async fn channel_roots(&self, channel: &ChannelId) -> Result<TrustRoots, Failure> {
        let config = self.connection.channel_config(channel).await?;
        let roots = config.organizations.iter().flat_map(|org| org.msp.tls_ca_certs()).cloned().collect();
        TrustRoots::new(roots)
            .map_err(|error| Failure::fault(format!("the configuration of channel {channel}: {error}")))
    }
}

fn only_channel(channels: &[ChannelId]) -> Result<ChannelId, Failure> {
    match channels {
        [only] => Ok(only.clone()),
        [] => Err(Failure::usage(
            "the peer has joined no channel; join one with `peer channel join -b FILE`, as an administrator",
        )),
        several => {
            let names: Vec<&str> = several.iter().map(ChannelId::as_str).collect();
            let names = names.join(", ");
            Err(Failure::usage(format!(
                "the peer has several channels ({names}): name one with -C, or set CORE_CHANNEL"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_taken_for_granted_only_where_there_is_one() {
        let channels = |names: &[&str]| -> Vec<ChannelId> {
            names.iter().map(|name| ChannelId::new(*name).unwrap()).collect()
        };
        assert_eq!(only_channel(&channels(&["reports"])).unwrap().as_str(), "reports");
        let rows = [(vec![], "joined no channel"), (vec!["a", "b"], "several channels (a, b)")];
        for (names, text) in rows {
            let Failure::Usage(found) = only_channel(&channels(&names)).unwrap_err() else {
                panic!("{names:?}")
            };
            assert!(found.contains(text), "{found}");
        }
    }
}
