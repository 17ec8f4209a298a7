//! Verifying a report (the paper's Algorithm 3): transaction, endorsements, record, blocks and sealed bytes.
//!
//! Everything is computed anew from stored bytes; what an index says is only used to find them. A finding that does not
//! hold is an answer, not an error. The configuration in force judges identities, at the time of the transaction's block.

use std::sync::Arc;

use bytes::Bytes;
use ipfs::SealedStore;
use protocol::{Block, BlockNumber, TxValidationCode, VerifyFinding, VerifyReport, VerifyRequest, Version};
use reports::report_key;
use transport::Status;
use validation::{ParsedTransaction, parse_transaction};

use super::download::trail_status;
use super::holders::{holders_of, signed_block_request};
use super::service::Shared;
use crate::custody::blocking;
use crate::exchange::{SEALED_BYTES_MAX, WantedDag};
use crate::ports::{ChannelLedger, CommittedAt, LedgerFault, Node};
use crate::signed_request::ledger_status;
use crate::trail::{Origin, origin, reports_set, written};

/// What was compared so far.
#[derive(Default)]
struct Findings(Vec<VerifyFinding>);

impl Findings {
    fn add(&mut self, subject: impl Into<String>, outcome: Result<(), String>) {
        let (holds, detail) = match outcome {
            Ok(()) => (true, String::new()),
            Err(detail) => (false, detail),
        };
        self.0.push(VerifyFinding { subject: subject.into(), holds, detail });
    }
}

/// Compares everything that belongs to a report.
pub(super) async fn verify<N: Node>(
    shared: &Arc<Shared<N>>,
    ledger: Arc<dyn ChannelLedger>,
    asked: VerifyRequest,
) -> Result<VerifyReport, Status> {
    let found = ledger.transaction(&asked.report_id).map_err(|fault| ledger_status(&fault))?;
    let at = found.ok_or_else(|| {
        Status::not_found(format!("there is no transaction {} on channel {}", asked.report_id, asked.channel))
    })?;
    let (on_chain, chain) = (Arc::clone(&ledger), asked.clone());
    let mut findings = blocking(move || stored_findings(&*on_chain, &chain, at)).await?;
    match origin(&*ledger, &asked.report_id) {
        Ok(origin) => sealed_findings(shared, &*ledger, &asked, &origin, &mut findings).await?,
        Err(error) => {
            let detail = trail_status(error).message().to_owned();
            findings.add(format!("record of report {}", asked.report_id), Err(detail));
        }
    }
    Ok(VerifyReport { block_number: Some(at.block_number), findings: findings.0 })
}

/// What the ledger holds of the transaction. A block that cannot be read is what verification looks for: it is an answer.
fn stored_findings(
    ledger: &dyn ChannelLedger,
    asked: &VerifyRequest,
    at: CommittedAt,
) -> Result<Findings, Status> {
    match ledger.envelope(&asked.report_id) {
        Ok(Some(envelope)) => chain_findings(ledger, asked, at, &envelope),
        missing => {
            if let Err(fault) = missing {
                tracing::error!(channel = %fault.channel, cause = %fault.cause, "reports.verify");
            }
            let mut findings = Findings::default();
            let subject = format!("transaction {} is readable in block {}", asked.report_id, at.block_number);
            findings.add(subject, Err("its block is damaged on this peer".to_owned()));
            block_findings(ledger, at.block_number, &mut findings);
            Ok(findings)
        }
    }
}

/// Transaction, record and blocks.
fn chain_findings(
    ledger: &dyn ChannelLedger,
    asked: &VerifyRequest,
    at: CommittedAt,
    envelope: &Bytes,
) -> Result<Findings, Status> {
    let mut findings = Findings::default();
    let tx_id = &asked.report_id;
    let is_valid =
        if at.code == TxValidationCode::Valid { Ok(()) } else { Err(format!("it is {}", at.code.name())) };
    findings.add(format!("transaction {tx_id} is VALID in block {}", at.block_number), is_valid);
    let block = stored_block(ledger, at.block_number).map_err(|fault| ledger_status(&fault))?;
    let in_block = block.as_ref().ok().and_then(|block| block.envelopes.get(at.tx_number.0 as usize));
    let same = if in_block == Some(envelope) {
        Ok(())
    } else {
        Err("the block holds another envelope there".into())
    };
    findings.add(
        format!("transaction {tx_id} stands at place {} of block {}", at.tx_number.0, at.block_number),
        same,
    );
    let at_ms = block.map_or(ledger.block_time_ms(), |block| block.header.timestamp_ms);
    match parse_transaction(envelope) {
        Err(flaw) => findings.add(format!("form of transaction {tx_id}"), Err(flaw.reason)),
        Ok(transaction) => {
            let id = if transaction.tx_id == *tx_id {
                Ok(())
            } else {
                Err(format!("it is {}", transaction.tx_id))
            };
            findings.add(format!("transaction id {tx_id} is the hash of nonce and creator"), id);
            findings.add("the creator's signature", creator_signed(ledger, &transaction, at_ms));
            findings.add("the endorsements satisfy the policy", is_endorsed(ledger, &transaction, at_ms));
            findings.add(
                format!("the record of report {tx_id} is the one that was endorsed"),
                record_agrees(ledger, &transaction, at).map_err(|fault| ledger_status(&fault))?,
            );
        }
    }
    block_findings(ledger, at.block_number, &mut findings);
    Ok(findings)
}

fn stored_block(
    ledger: &dyn ChannelLedger,
    number: BlockNumber,
) -> Result<Result<Block, String>, LedgerFault> {
    Ok(match ledger.block(number)? {
        Some(bytes) => Block::from_bytes(&bytes).map_err(|error| error.to_string()),
        None => Err(format!("block {number} is missing")),
    })
}

fn creator_signed(
    ledger: &dyn ChannelLedger,
    transaction: &ParsedTransaction,
    at_ms: u64,
) -> Result<(), String> {
    let bundle = ledger.bundle();
    let creator = bundle.msps().identify(&transaction.creator, at_ms).map_err(|error| error.to_string())?;
    creator.verify(&transaction.payload, &transaction.signature).map(drop).map_err(|error| error.to_string())
}

fn is_endorsed(
    ledger: &dyn ChannelLedger,
    transaction: &ParsedTransaction,
    at_ms: u64,
) -> Result<(), String> {
    let bundle = ledger.bundle();
    let mut held = Vec::new();
    let mut flaws = Vec::new();
    for endorsement in &transaction.endorsements {
        let message = [&transaction.endorsed[..], &endorsement.endorser[..]].concat();
        let identity =
            bundle.msps().identify(&endorsement.endorser, at_ms).map_err(|error| error.to_string());
        let verified = identity.and_then(|identity| {
            identity
                .verify(&message, &endorsement.signature)
                .map_err(|error| format!("{}: {error}", identity.msp_id()))
        });
        match verified {
            Ok(signature) => held.push(signature),
            Err(flaw) => flaws.push(flaw),
        }
    }
    let policy = bundle.endorsement_policy(&transaction.chaincode);
    let policy = policy.ok_or_else(|| format!("the channel has no chaincode {}", transaction.chaincode))?;
    if !flaws.is_empty() {
        return Err(flaws.join("; "));
    }
    let verdict = policy.evaluate(&held);
    if verdict.satisfied { Ok(()) } else { Err(verdict.explanation.to_string()) }
}

/// The state's record must be what the transaction wrote, where it wrote it.
fn record_agrees(
    ledger: &dyn ChannelLedger,
    transaction: &ParsedTransaction,
    at: CommittedAt,
) -> Result<Result<(), String>, LedgerFault> {
    let key = report_key(&transaction.tx_id);
    let endorsed = reports_set(transaction).and_then(|set| written(set, &key)).cloned().flatten();
    let state = ledger.state(reports::NAME, &key)?;
    let version = Version { block_number: at.block_number, tx_number: at.tx_number };
    Ok(match (endorsed, state) {
        (None, _) => Err("the transaction wrote no record of the report".to_owned()),
        (Some(_), None) => Err("the record is missing from the world state".to_owned()),
        (Some(_), Some((_, now))) if now != version => {
            Err(format!("the record was changed in block {}", now.block_number))
        }
        (Some(endorsed), Some((value, _))) if endorsed != value => {
            Err("the record in the world state has other bytes than the endorsed one".to_owned())
        }
        _ => Ok(()),
    })
}

/// The report's block and its neighbours.
fn block_findings(ledger: &dyn ChannelLedger, number: BlockNumber, findings: &mut Findings) {
    let neighbours = [number.previous(), Some(number), Some(number.next())];
    for number in neighbours.into_iter().flatten().filter(|number| number.0 < ledger.height()) {
        let differences = ledger.differences(number);
        let outcome = if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) };
        findings.add(format!("block {number}: its hashes and its neighbours'"), outcome);
    }
}

/// Every sealed block, in the own store or brought there.
async fn sealed_findings<N: Node>(
    shared: &Arc<Shared<N>>,
    ledger: &dyn ChannelLedger,
    asked: &VerifyRequest,
    origin: &Origin,
    findings: &mut Findings,
) -> Result<(), Status> {
    let bundle = ledger.bundle();
    let request = signed_block_request(shared.node.signer(), &asked.channel, &asked.report_id, origin)?;
    let holders = holders_of(&bundle, origin);
    let size_max = origin.record.sealed_size.min(SEALED_BYTES_MAX);
    let subject = format!("sealed blocks of {}", origin.cid);
    if let Err(error) =
        shared.fetcher.fetch(&bundle, &holders, &WantedDag { root: origin.cid, request, size_max }).await
    {
        findings.add(subject, Err(error.to_string()));
        return Ok(());
    }
    let (store, origin) = (shared.store.clone(), origin.clone());
    let outcome = blocking(move || Ok(sealed_agree(&store, &origin))).await?;
    findings.add(subject, outcome);
    Ok(())
}

fn sealed_agree(store: &SealedStore, origin: &Origin) -> Result<(), String> {
    let size = store.verify(origin.cid).map_err(|error| error.to_string())?;
    if size == origin.record.sealed_size {
        return Ok(());
    }
    Err(format!("they are {size} bytes, the record says {}", origin.record.sealed_size))
}
