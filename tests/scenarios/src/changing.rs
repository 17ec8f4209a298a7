//! A change of the channel as administrators make it: edit the file, compute the update, sign it, submit it.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use configtx::{PendingUpdate, compute_update, config_of_block};
use protocol::{Block, ChannelConfig};
use testnet::{CliOutput, Hospital, Network, NetworkOptions, User};

/// An update's file on its way.
#[derive(Clone, Debug)]
pub struct ChannelUpdate {
    file: PathBuf,
    channel: String,
}

impl ChannelUpdate {
    /// Fetches the configuration in force from hospital A's peer and computes the update that leads to these hospitals and
    /// options. Files are named after `name`.
    ///
    /// # Errors
    /// Where a tool refuses.
    pub fn compute(
        network: &Network,
        name: &str,
        options: &NetworkOptions,
        hospitals: &[Hospital],
    ) -> Result<Self> {
        let channel = network.options().channel.clone();
        let text = |path: PathBuf| path.display().to_string();
        let config = text(network.describe(&format!("{name}.yaml"), options, hospitals)?);
        let block = text(network.path(&format!("{name}.block")));
        let file = network.path(&format!("{name}.pb"));
        let fetch = ["channel", "fetch", "config", &block, "-c", &channel];
        network.admin(Hospital::A).peer(&fetch)?.expect_code(0)?;
        let output = text(file.clone());
        let compute = ["--compute-update", "--original", &block, "--config", &config, "--output", &output];
        let said =
            network.configtxgen(&[&compute[..], &["--channel-id", &channel]].concat())?.expect_code(0)?;
        println!("{}", said.stdout.trim());
        Ok(Self { file, channel })
    }

    /// The update that leads from the configuration in force to what `change` makes of it: for what no file of
    /// this release can describe.
    ///
    /// # Errors
    /// Where the block cannot be fetched, or nothing changes.
    pub fn changing(network: &Network, name: &str, change: impl FnOnce(&mut ChannelConfig)) -> Result<Self> {
        let channel = network.options().channel.clone();
        let block = network.path(&format!("{name}.block"));
        let path = block.display().to_string();
        let fetch = ["channel", "fetch", "config", &path, "-c", &channel];
        network.admin(Hospital::A).peer(&fetch)?.expect_code(0)?;
        let before = config_of_block(&Block::from_bytes(&std::fs::read(block)?)?)?;
        let mut after = before.clone();
        change(&mut after);
        let update = compute_update(&before, &after).context("nothing changes")?;
        let file = network.path(&format!("{name}.pb"));
        std::fs::write(&file, PendingUpdate::new(update).to_bytes())?;
        Ok(Self { file, channel })
    }

    /// Has somebody sign.
    ///
    /// # Errors
    /// Where the command line refuses.
    pub fn sign(&self, admin: &User) -> Result<()> {
        let file = self.file.display().to_string();
        admin.peer(&["channel", "signconfigtx", "-f", &file])?.expect_code(0)?;
        Ok(())
    }

    /// Has somebody submit it to an orderer.
    ///
    /// # Errors
    /// Where the command line does not start.
    pub fn submit(&self, network: &Network, submitter: &User, orderer: Hospital) -> Result<CliOutput> {
        let (file, address) = (self.file.display().to_string(), network.orderer_address(orderer));
        let root = network.orderer_tls_root(orderer).display().to_string();
        let args = ["channel", "update", "-f", &file, "-c", &self.channel, "-o", &address];
        submitter.peer(&[&args[..], &["--tls", "--cafile", &root]].concat())
    }
}

/// The hash and the number of the configuration block in force, as the peers and the orderers give it.
///
/// # Errors
/// Where two of them differ, or one does not answer.
pub fn same_config_block(network: &Network, hospitals: &[Hospital]) -> Result<(u64, String)> {
    let mut found: Vec<(String, (u64, String))> = Vec::new();
    let channel = &network.options().channel;
    for hospital in hospitals {
        let file = network.path("in-force.block").display().to_string();
        let fetch = ["channel", "fetch", "config", &file, "-c", channel, "--output", "json"];
        let of_peer = network.admin(*hospital).peer(&fetch)?.expect_code(0)?;
        found.push((format!("the peer of {hospital:?}"), block_of(&of_peer)?));
        if *hospital == Hospital::D {
            continue;
        }
        let (address, root) = (network.orderer_address(*hospital), network.orderer_tls_root(*hospital));
        let root = root.display().to_string();
        let flags = ["-o", &address, "--tls", "--cafile", &root];
        let of_orderer = network.admin(*hospital).peer(&[&fetch[..], &flags].concat())?.expect_code(0)?;
        found.push((format!("the orderer of {hospital:?}"), block_of(&of_orderer)?));
    }
    let (_, first) = found.first().context("somebody is asked")?.clone();
    for (who, block) in found {
        ensure!(block == first, "{who} has {block:?} in force, and another {first:?}");
    }
    Ok(first)
}

fn block_of(output: &CliOutput) -> Result<(u64, String)> {
    let json = output.json()?;
    let number = json["header"]["number"].as_u64().with_context(|| format!("no number in {json}"))?;
    let hash = json["hash"].as_str().with_context(|| format!("no hash in {json}"))?;
    Ok((number, hash.to_owned()))
}
