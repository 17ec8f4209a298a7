//! `peer identity`: register, renew, revoke, claim, show, list.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use client::claim;
use protocol::{ChannelId, Digest, IdentityAction, IdentityClaim, MspId, Poi, ProofScope};
use serde_json::json;

use super::exit::Failure;
use super::identity_files::{self, Whose};
use super::identity_text;
use super::output::Done;
use super::session::Session;
use super::settings::FlagValues;

/// `peer identity`.
#[derive(Args, Debug)]
pub struct IdentityArguments {
    #[command(subcommand)]
    verb: IdentityVerb,
}

#[derive(Debug, Subcommand)]
enum IdentityVerb {
    /// Give a key the right to act on the channel (needs an administrator of its organisation).
    #[command(after_help = "\
The new identity's own key signs that its holder agrees: from its msp folder, from --cert and --key, or beforehand with
`peer identity claim` where the key is. The TLS keys are those that a revocation closes later; give one TLS key to one
identity only. Without --tls-cert they are taken from tls/client.crt and tls/server.crt beside the msp folder.

Examples:
  peer identity register --msp crypto-config/.../users/User3@hospital-a.example.com/msp -C reports
  peer identity register --cert user3.pem --key user3.key --tls-cert user3-tls.pem
  peer identity register --claim user3.claim")]
    Register(ClaimArguments),
    /// Put another certificate, or other TLS keys, of a registered key on record (needs an administrator).
    #[command(after_help = "\
A certificate that was renewed with the same key acts at once, without this. The record tells others which certificate and
TLS keys are in use. TLS keys on record stay there beside the new ones, unless --forget-tls-keys is given. Another key is
another identity: register it, then revoke the old one.

Example:
  peer identity renew --msp users/User1@hospital-a.example.com/msp --tls-cert new-tls.pem")]
    Renew(RenewArguments),
    /// End a key's right to act, for good, and close its connections (needs an administrator).
    #[command(after_help = "\
It holds from the next transaction on, also in the same block. An administrator does not revoke itself: another one does.
By its certificate a key is barred even where it was never registered, as on a channel whose identities are open; the
channel needs capability V1_1 for that.

Examples:
  peer identity revoke 5b0c... -C reports
  peer identity revoke --cert user3.pem")]
    Revoke(WhoseArguments),
    /// Write the claim of the own key into a file, for an administrator to register. No secret is in it.
    #[command(after_help = "\
The own TLS certificate (CORE_PEER_TLS_CLIENTCERT_FILE) is in the claim, too. A claim for a renewal is good for the record
as it stands: TLS keys on record stay there, unless --forget-tls-keys is given, and after any change it is made again. (On
a channel without capability V1_1 it is good for every renewal.)

Examples:
  peer identity claim --out user3.claim -C reports
  peer identity claim --for renew --tls-cert tablet.pem --out user3.claim -C reports")]
    Claim(OwnClaimArguments),
    /// Show an identity's record.
    #[command(after_help = "Example:\n  peer identity show --cert user3.pem --output json")]
    Show(WhoseArguments),
    /// List an organisation's identities.
    #[command(after_help = "Example:\n  peer identity list --msp-id HospitalBMSP --output json")]
    List(ListArguments),
}

#[derive(Args, Debug)]
struct OfChannel {
    /// The channel; without it CORE_CHANNEL, or the peer's only channel.
    #[arg(short = 'C', long = "channelID", value_name = "CHANNEL")]
    channel: Option<ChannelId>,
}

#[derive(Args, Debug)]
#[group(id = "source", required = true, multiple = false)]
struct SourceArguments {
    /// The identity's msp folder, with signcerts and keystore.
    #[arg(long, value_name = "DIR")]
    msp: Option<PathBuf>,
    /// The identity's signing certificate.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// A claim that `peer identity claim` wrote.
    #[arg(long, value_name = "FILE")]
    claim: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct ClaimArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Key of --cert.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// A TLS certificate of the identity; may be given many times.
    #[arg(long = "tls-cert", value_name = "FILE", conflicts_with = "claim")]
    tls_certs: Vec<PathBuf>,
    #[command(flatten)]
    channel: OfChannel,
}

#[derive(Args, Debug)]
struct RenewArguments {
    #[command(flatten)]
    claim: ClaimArguments,
    /// Take TLS keys off the record that are not named here.
    #[arg(long, conflicts_with = "claim")]
    forget_tls_keys: bool,
}

#[derive(Args, Debug)]
struct WhoseArguments {
    /// The identity's PoI: 64 hex digits.
    #[arg(value_name = "POI", required_unless_present = "cert", conflicts_with = "cert")]
    poi: Option<Poi>,
    /// The identity's certificate, instead of its PoI.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    #[command(flatten)]
    of: ListArguments,
}

#[derive(Args, Debug)]
struct ListArguments {
    /// The organisation; without it the own one.
    #[arg(long = "msp-id", value_name = "MSP")]
    msp_id: Option<MspId>,
    #[command(flatten)]
    channel: OfChannel,
}

#[derive(Args, Debug)]
struct OwnClaimArguments {
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the claim is for.
    #[arg(long = "for", value_enum, default_value_t = Purpose::Register, value_name = "VERB")]
    purpose: Purpose,
    /// A further TLS certificate of the identity; may be given many times.
    #[arg(long = "tls-cert", value_name = "FILE")]
    tls_certs: Vec<PathBuf>,
    /// Take TLS keys off the record that are not named here; for a renewal.
    #[arg(long)]
    forget_tls_keys: bool,
    #[command(flatten)]
    channel: OfChannel,
}

/// What a claim is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Purpose {
    Register,
    Renew,
}

/// Runs the verb.
pub async fn run(arguments: IdentityArguments) -> Result<Done, Failure> {
    match arguments.verb {
        IdentityVerb::Register(arguments) => {
            put(IdentityAction::Register, arguments, TlsKeys::OnlyNamed).await
        }
        IdentityVerb::Renew(RenewArguments { claim, forget_tls_keys }) => {
            let keys = if forget_tls_keys { TlsKeys::OnlyNamed } else { TlsKeys::BesideRecorded };
            put(IdentityAction::Renew, claim, keys).await
        }
        IdentityVerb::Revoke(arguments) => revoke(arguments).await,
        IdentityVerb::Claim(arguments) => write_claim(arguments).await,
        IdentityVerb::Show(arguments) => show(arguments).await,
        IdentityVerb::List(arguments) => list(arguments).await,
    }
}

/// Which TLS keys a claim made here holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TlsKeys {
    OnlyNamed,
    BesideRecorded,
}

async fn open(channel: &OfChannel) -> Result<(Session, ChannelId), Failure> {
    let session = Session::open(FlagValues::default()).await?;
    let channel = session.channel(channel.channel.as_ref()).await?;
    Ok((session, channel))
}

async fn put(action: IdentityAction, arguments: ClaimArguments, keys: TlsKeys) -> Result<Done, Failure> {
    let ClaimArguments { source, key, tls_certs, channel } = arguments;
    let named = identity_files::tls_keys(&tls_certs).map_err(Failure::Fault)?;
    let (session, channel) = open(&channel).await?;
    let own = session.connection.msp_id().clone();
    let claim = match source {
        SourceArguments { claim: Some(path), .. } => identity_files::claim(&path).map_err(Failure::Fault)?,
        SourceArguments { msp, cert, .. } => {
            let whose = Whose { msp: msp.as_deref(), pair: cert.as_deref().zip(key.as_deref()) };
            let (signer, beside) = identity_files::signer(&whose, own.clone()).map_err(Failure::Fault)?;
            let tls_keys = if named.is_empty() { beside } else { named };
            let (tls_keys, scope) = match action {
                IdentityAction::Register => (tls_keys, ProofScope::Registration),
                IdentityAction::Renew => {
                    let whose = (&channel, &own, signer.poi());
                    renewal(&session, whose, tls_keys, keys).await?
                }
            };
            claim(scope, &channel, &signer, tls_keys)?
        }
    };
    let (record, submitted) = session.connection.submit_claim(action, &channel, &claim).await?;
    let done = if action == IdentityAction::Register { "registered" } else { "renewed" };
    Ok(identity_text::changed(done, &record, &submitted))
}

/// The TLS keys of a renewal, and what its proof must be good for.
async fn renewal(
    session: &Session,
    (channel, msp_id, poi): (&ChannelId, &MspId, Poi),
    mut tls_keys: Vec<Digest>,
    keys: TlsKeys,
) -> Result<(Vec<Digest>, ProofScope), Failure> {
    let record = session.connection.identity(channel, msp_id, &poi).await?;
    if keys == TlsKeys::BesideRecorded {
        for text in &record.tls_spki {
            let digest: Poi =
                text.parse().map_err(|error| Failure::fault(format!("the record of {poi}: {error}")))?;
            tls_keys.push(Digest(*digest.as_bytes()));
        }
    }
    let scope = session.connection.renewal_scope(channel, record.changed_at.len() as u64).await?;
    Ok((tls_keys, scope))
}

async fn revoke(arguments: WhoseArguments) -> Result<Done, Failure> {
    let certificate = arguments.cert.as_deref().map(identity_files::certificate).transpose();
    let certificate = certificate.map_err(Failure::Fault)?;
    let (session, channel, msp_id, poi) = whose(&arguments).await?;
    // A registered key needs no certificate, and an authority that was replaced since would not vouch for it.
    let certificate = match certificate {
        Some(certificate) if session.connection.identity(&channel, &msp_id, &poi).await.is_err() => {
            Some(certificate)
        }
        _ => None,
    };
    let (record, submitted) =
        session.connection.revoke_identity(&channel, &msp_id, &poi, certificate).await?;
    Ok(identity_text::changed("revoked", &record, &submitted))
}

async fn show(arguments: WhoseArguments) -> Result<Done, Failure> {
    let (session, channel, msp_id, poi) = whose(&arguments).await?;
    let record = session.connection.identity(&channel, &msp_id, &poi).await?;
    Ok(Done::new(identity_text::shown(&record), json!(record)))
}

async fn list(arguments: ListArguments) -> Result<Done, Failure> {
    let (session, channel) = open(&arguments.channel).await?;
    let msp_id = arguments.msp_id.unwrap_or_else(|| session.connection.msp_id().clone());
    let records = session.connection.identities(&channel, &msp_id).await?;
    Ok(Done::new(identity_text::list(&records), json!(records)))
}

async fn whose(arguments: &WhoseArguments) -> Result<(Session, ChannelId, MspId, Poi), Failure> {
    let poi = match (&arguments.poi, &arguments.cert) {
        (Some(poi), _) => *poi,
        (None, Some(path)) => identity_files::poi(path).map_err(Failure::Fault)?,
        (None, None) => return Err(Failure::usage("name an identity by its PoI, or by --cert")),
    };
    let (session, channel) = open(&arguments.of.channel).await?;
    let own = || session.connection.msp_id().clone();
    let msp_id = arguments.of.msp_id.clone().unwrap_or_else(own);
    Ok((session, channel, msp_id, poi))
}

async fn write_claim(arguments: OwnClaimArguments) -> Result<Done, Failure> {
    let OwnClaimArguments { out, purpose, tls_certs, forget_tls_keys, channel } = arguments;
    if forget_tls_keys && purpose == Purpose::Register {
        return Err(Failure::usage("--forget-tls-keys goes with --for renew"));
    }
    let tls_keys = identity_files::tls_keys(&tls_certs).map_err(Failure::Fault)?;
    let (session, channel) = open(&channel).await?;
    let (tls_keys, scope) = match purpose {
        Purpose::Register => (tls_keys, ProofScope::Registration),
        Purpose::Renew => {
            let keys = if forget_tls_keys { TlsKeys::OnlyNamed } else { TlsKeys::BesideRecorded };
            let whose = (&channel, session.connection.msp_id(), session.connection.poi());
            renewal(&session, whose, tls_keys, keys).await?
        }
    };
    let claim: IdentityClaim = session.connection.own_claim(scope, &channel, tls_keys)?;
    let path = out.display();
    std::fs::write(&out, claim.to_bytes())
        .map_err(|error| Failure::fault(format!("{path} cannot be written: {error}; name another file")))?;
    let text = format!(
        "{path}: an administrator of {} registers it on channel {channel} with\n  peer identity {} --claim {path}",
        claim.msp_id,
        if purpose == Purpose::Register { "register" } else { "renew" }
    );
    let json = json!({ "file": path.to_string(), "msp_id": claim.msp_id, "channel": channel.as_str() });
    Ok(Done::new(text, json))
}
