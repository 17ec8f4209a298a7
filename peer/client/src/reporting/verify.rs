//! Verification on access (the paper's Algorithm 3): the own peer compares record, blocks and sealed bytes.

use protocol::{ChannelId, SigningDomain, TxId, VerifyReport, VerifyRequest};

use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::error::{ClientError, Rejection};

impl Connection {
    /// Has the own peer compare a report with its blocks and its sealed bytes; every finding is returned.
    ///
    /// # Errors
    /// As a call. A finding that does not hold is no error here; [`Rejection::of_verification`] makes it one.
    pub async fn verify_report(&self, channel: &ChannelId, id: &TxId) -> Result<VerifyReport, ClientError> {
        let request = VerifyRequest { channel: channel.clone(), report_id: id.clone() };
        let request = self.signed_request(SigningDomain::Verify, &request)?;
        let call = self.call(Phase::Verify, None);
        let report = call.answer(self.reports().verify(request)).await?;
        if report.findings.is_empty() {
            return Err(call.unusable("nothing was compared"));
        }
        Ok(report)
    }
}

impl Rejection {
    /// The refusal of a report whose verification found differences; `None` where every finding holds.
    #[must_use]
    pub fn of_verification(id: &TxId, report: &VerifyReport) -> Option<Self> {
        let differences: Vec<String> = report
            .findings
            .iter()
            .filter(|finding| !finding.holds)
            .map(|finding| match finding.detail.as_str() {
                "" => format!("{} does not agree", finding.subject),
                detail => format!("{}: {detail}", finding.subject),
            })
            .collect();
        (!differences.is_empty()).then(|| Self::Differs { report_id: id.clone(), differences })
    }
}

#[cfg(test)]
mod tests {
    use protocol::VerifyFinding;

    use super::*;

    #[test]
    fn one_finding_that_does_not_hold_makes_a_report_invalid() {
        let finding = |subject: &str, holds: bool| VerifyFinding {
            subject: subject.to_owned(),
            holds,
            detail: String::new(),
        };
        let id = TxId::of(b"n", b"c");
        let report = |findings| VerifyReport { block_number: None, findings };
        assert!(
            Rejection::of_verification(&id, &report(vec![finding("data_hash of block 7", true)])).is_none()
        );
        let bad = report(vec![finding("data_hash of block 7", false), finding("binding", true)]);
        let rejection = Rejection::of_verification(&id, &bad).unwrap();
        assert_eq!(rejection.code_name(), "CONTENT_DIFFERS");
        assert!(rejection.to_string().contains("data_hash of block 7 does not agree"), "{rejection}");
    }
}
