//! `peer report`: upload, list, show, share, unshare, download, verify, openings.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use client::{Rejection, Target, Upload};
use protocol::{BlockNumber, ChannelId, MspId, Poi, TxId};
use serde_json::{Value, json};

use super::exit::Failure;
use super::output::Done;
use super::progress::Progress;
use super::session::Session;
use super::settings::FlagValues;
use super::{image_file, report_text};

/// `peer report`.
#[derive(Args, Debug)]
pub struct ReportArguments {
    #[command(subcommand)]
    verb: ReportVerb,
}

#[derive(Debug, Subcommand)]
enum ReportVerb {
    /// Seal an image, have it checked by other hospitals, and record it on the ledger.
    #[command(after_help = "\
The own peer seals the file; its bytes never leave the hospital unsealed but to the checkers named in the channel's
configuration, in memory. The patient's name goes to the own peer only; the ledger gets a pseudonym. A file that the
hospital has uploaded before is refused (exit 1, UPLOADED_BEFORE) before anything is sealed, unless --again is given.

Example:
  peer report upload scan.png --patient 4711 --modality CR --share-with HospitalBMSP -C reports")]
    Upload(UploadArguments),
    /// List the channel's reports.
    #[command(after_help = "\
Examples:
  peer report list -C reports --output json
  peer report list --page-size 50
  peer report list --page-size 50 --bookmark report/3f9a21c04b...")]
    List(ListArguments),
    /// Show a report's record with its block, the next block and its grants.
    #[command(after_help = "Example:\n  peer report show 3f9a21c04b")]
    Show(OfReport),
    /// Give an organisation the right to open a report.
    #[command(after_help = "Example:\n  peer report share 3f9a21c04b --with HospitalBMSP")]
    Share(ShareArguments),
    /// Withdraw that right; what was opened before stays known to its readers.
    #[command(after_help = "Example:\n  peer report unshare 3f9a21c04b --with HospitalBMSP")]
    Unshare(ShareArguments),
    /// Record an opening on the ledger, then receive the report.
    #[command(after_help = "\
Who opened the report, when and why stands on the ledger before any key moves. The file appears only when every byte is
vouched for. If the keys' custodians do not answer, present the same opening again with --opening.

Example:
  peer report download 3f9a21c04b --out scan.png --purpose 'second opinion'")]
    Download(DownloadArguments),
    /// Compare a report's record, its blocks and its sealed bytes: `Valid Transaction` or `Invalid Transaction` (exit 1).
    #[command(after_help = "\
With --poi and --block every report that the identity uploaded in that block is verified; there must be one.

Examples:
  peer report verify 3f9a21c04b
  peer report verify --poi 5b0c... --block 7 --output json")]
    Verify(VerifyArguments),
    /// List who opened a report, when and why.
    #[command(after_help = "Example:\n  peer report openings 3f9a21c04b --output json")]
    Openings(OfReport),
}

#[derive(Args, Debug)]
struct OfChannel {
    /// The channel; without it CORE_CHANNEL, or the peer's only channel.
    #[arg(short = 'C', long = "channelID", value_name = "CHANNEL")]
    channel: Option<ChannelId>,
}

#[derive(Args, Debug)]
struct ListArguments {
    #[command(flatten)]
    channel: OfChannel,
    /// List so many reports, and say where the next page begins.
    #[arg(long = "page-size", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    page_size: Option<u32>,
    /// Where the page begins, as the page before it said.
    #[arg(
        long,
        value_name = "BOOKMARK",
        requires = "page_size",
        default_value = "",
        hide_default_value = true
    )]
    bookmark: String,
}

#[derive(Args, Debug)]
struct OfReport {
    /// The report's id, or at least 8 digits of its beginning.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    channel: OfChannel,
}

#[derive(Args, Debug)]
struct VerifyArguments {
    /// The report's id, or at least 8 digits of its beginning.
    #[arg(value_name = "ID", required_unless_present = "poi", conflicts_with = "poi")]
    id: Option<String>,
    /// The uploader's proof of identity: 64 hex digits.
    #[arg(long, value_name = "POI", requires = "block")]
    poi: Option<Poi>,
    /// The block.
    #[arg(long, value_name = "NUMBER", requires = "poi")]
    block: Option<u64>,
    #[command(flatten)]
    channel: OfChannel,
}

#[derive(Args)]
struct UploadArguments {
    /// The image: PNG or JPEG.
    file: PathBuf,
    /// The hospital's own name of the patient.
    #[arg(long, value_name = "ID")]
    patient: String,
    /// DICOM modality, such as CR.
    #[arg(long, value_name = "MODALITY")]
    modality: String,
    /// Organisation that may open the report from the start; may be given many times.
    #[arg(long = "share-with", value_name = "MSP")]
    share_with: Vec<MspId>,
    /// Upload the file even if the own hospital has uploaded it before.
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    channel: OfChannel,
}

/// The patient is not shown.
impl std::fmt::Debug for UploadArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploadArguments").field("modality", &self.modality).finish_non_exhaustive()
    }
}

#[derive(Args, Debug)]
struct ShareArguments {
    #[command(flatten)]
    report: OfReport,
    /// The organisation.
    #[arg(long, value_name = "MSP")]
    with: MspId,
}

#[derive(Args, Debug)]
struct DownloadArguments {
    #[command(flatten)]
    report: OfReport,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Why the report is opened; it stands on the ledger for everybody of the channel to read.
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// Transaction of an opening that is on the ledger already, to be presented again.
    #[arg(long, value_name = "TX_ID")]
    opening: Option<TxId>,
}

/// Runs the verb.
pub async fn run(arguments: ReportArguments) -> Result<Done, Failure> {
    match arguments.verb {
        ReportVerb::Upload(arguments) => upload(arguments).await,
        ReportVerb::List(arguments) => list(arguments).await,
        ReportVerb::Show(arguments) => show(arguments).await,
        ReportVerb::Share(arguments) => share(arguments, true).await,
        ReportVerb::Unshare(arguments) => share(arguments, false).await,
        ReportVerb::Download(arguments) => download(arguments).await,
        ReportVerb::Verify(arguments) => verify(arguments).await,
        ReportVerb::Openings(arguments) => openings(arguments).await,
    }
}

async fn open(channel: &OfChannel) -> Result<(Session, ChannelId), Failure> {
    let session = Session::open(FlagValues::default()).await?;
    let channel = session.channel(channel.channel.as_ref()).await?;
    Ok((session, channel))
}

async fn open_report(report: &OfReport) -> Result<(Session, ChannelId, TxId), Failure> {
    let (session, channel) = open(&report.channel).await?;
    let id = session.report_id(&channel, &report.id).await?;
    Ok((session, channel, id))
}

async fn upload(arguments: UploadArguments) -> Result<Done, Failure> {
    let UploadArguments { file, patient, modality, share_with, again, channel } = arguments;
    let modality_fits = !modality.is_empty()
        && modality.len() <= 16
        && modality.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !modality_fits {
        return Err(Failure::usage(format!(
            "--modality {modality:?}: write 1 to 16 capital letters or digits, such as CR"
        )));
    }
    image_file::check(&file).map_err(Failure::Fault)?;
    let (session, channel) = open(&channel).await?;
    if !again {
        session.connection.require_new_file(&channel, &file).await?;
    }
    let upload = Upload { path: file, patient, modality, share_with };
    let progress = Progress::default();
    let uploaded =
        session.connection.upload_report(&channel, &upload, &|step| progress.upload(&step)).await?;
    let json = json!({
        "report_id": uploaded.record.report_id.as_str(),
        "block_number": uploaded.block_number.0,
        "checked_by": uploaded.checked_by,
        "warning": report_text::warning(&uploaded.record),
        "record": uploaded.record,
    });
    Ok(Done::new(report_text::uploaded(&uploaded), json))
}

async fn list(arguments: ListArguments) -> Result<Done, Failure> {
    let (session, channel) = open(&arguments.channel).await?;
    if let Some(size) = arguments.page_size {
        let page = session.connection.list_reports_page(&channel, size, &arguments.bookmark).await?;
        return Ok(Done::new(report_text::page(&page, size), json!(page)));
    }
    let records = session.connection.list_reports(&channel).await?;
    Ok(Done::new(report_text::list(&records), json!(records)))
}

async fn show(arguments: OfReport) -> Result<Done, Failure> {
    let (session, channel, id) = open_report(&arguments).await?;
    let shown = session.connection.show_report(&channel, &id).await?;
    Ok(Done::new(report_text::shown(&shown), json!(shown)))
}

async fn share(arguments: ShareArguments, live: bool) -> Result<Done, Failure> {
    let (session, channel, id) = open_report(&arguments.report).await?;
    let with = &arguments.with;
    let (grant, submitted) = if live {
        session.connection.share_report(&channel, &id, with).await?
    } else {
        session.connection.unshare_report(&channel, &id, with).await?
    };
    let done = if live { "is shared with" } else { "is no longer shared with" };
    let text = format!("report {id} {done} {with} as of block {}", submitted.block_number);
    let json = json!({
        "tx_id": submitted.tx_id.as_str(),
        "code": submitted.code.name(),
        "block_number": submitted.block_number.0,
        "grant": grant,
    });
    Ok(Done::new(text, json))
}

async fn download(arguments: DownloadArguments) -> Result<Done, Failure> {
    let DownloadArguments { report, out, purpose, opening } = arguments;
    if purpose.trim().is_empty() {
        return Err(Failure::usage("--purpose is empty: say why the report is opened"));
    }
    let (session, channel, report_id) = open_report(&report).await?;
    let target = Target { report_id, out, purpose, opening };
    let progress = Progress::default();
    let downloaded =
        session.connection.download_report(&channel, &target, &|step| progress.download(&step)).await?;
    let path = downloaded.path.display().to_string();
    let text = format!(
        "{path}: {} bytes, verified against the ledger; opening {}",
        downloaded.size, downloaded.opening
    );
    let json = json!({
        "file": path,
        "size": downloaded.size,
        "opening": downloaded.opening.as_str(),
        "media_type": downloaded.record.media_type,
        "binding": downloaded.record.binding,
    });
    Ok(Done::new(text, json))
}

async fn verify(arguments: VerifyArguments) -> Result<Done, Failure> {
    let VerifyArguments { id, poi, block, channel } = arguments;
    match (id, poi, block) {
        (Some(id), ..) => verify_report(OfReport { id, channel }).await,
        (None, Some(poi), Some(number)) => verify_block(&channel, &poi, BlockNumber(number)).await,
        _ => Err(Failure::usage("name a report by its id, or by --poi and --block")),
    }
}

async fn verify_report(report: OfReport) -> Result<Done, Failure> {
    let (session, channel, id) = open_report(&report).await?;
    let report = session.connection.verify_report(&channel, &id).await?;
    let rejection = Rejection::of_verification(&id, &report);
    let mut done = Done::new(report_text::verified(&report), report_text::verification_json(&id, &report));
    done.refused = rejection.map(|rejection| (rejection.code_name(), rejection.to_string()));
    Ok(done)
}

/// The paper's Algorithm 3, as it is asked there.
async fn verify_block(channel: &OfChannel, poi: &Poi, number: BlockNumber) -> Result<Done, Failure> {
    let (session, channel) = open(channel).await?;
    let found = session.connection.verify_block(&channel, poi, number).await?;
    let reports: Vec<Value> =
        found.reports.iter().map(|(id, report)| report_text::verification_json(id, report)).collect();
    let json = json!({
        "PoI": poi.to_string(),
        "Block_Index": number.0,
        "valid": found.is_valid(),
        "verdict": report_text::verdict(found.is_valid()),
        "reason": found.reason,
        "reports": reports,
    });
    let mut done = Done::new(report_text::verified_block(&found), json);
    done.refused = found.rejection().map(|rejection| (rejection.code_name(), rejection.to_string()));
    Ok(done)
}

async fn openings(arguments: OfReport) -> Result<Done, Failure> {
    let (session, channel, id) = open_report(&arguments).await?;
    let openings = session.connection.openings(&channel, &id).await?;
    Ok(Done::new(report_text::openings(&openings), json!(openings)))
}
