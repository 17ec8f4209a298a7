//! The chaincode's functions and their arguments.

use bytes::Bytes;
use protocol::{MspId, TxId};
use serde::Serialize;
use shim::{Chaincode, ChaincodeError, Stub};

use crate::access::{change_grant, grants, list, list_page, open, openings, read};
use crate::upload::{UploadClaim, upload};
use crate::{NAME, VERSION};

#[cfg(test)]
mod tests;

/// The chaincode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reports;

impl Chaincode for Reports {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn invoke(&self, stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
        let function = stub.function().to_owned();
        let args = stub.args().to_vec();
        match (function.as_str(), args.as_slice()) {
            ("UploadReport", [claim]) => {
                let claim = parse_claim(claim)?;
                let record = upload(stub, &claim)?;
                finish(stub, "ReportUploaded", &record)
            }
            ("ShareReport", [id, msp]) => {
                let grant = change_grant(stub, &report_id(id)?, &msp_id(msp)?, true)?;
                finish(stub, "ReportShared", &grant)
            }
            ("UnshareReport", [id, msp]) => {
                let grant = change_grant(stub, &report_id(id)?, &msp_id(msp)?, false)?;
                finish(stub, "ReportUnshared", &grant)
            }
            ("OpenReport", [id, purpose]) => {
                let opening = open(stub, &report_id(id)?, text(purpose)?)?;
                finish(stub, "ReportOpened", &opening)
            }
            ("ReadReport", [id]) => json(&read(stub, &report_id(id)?)?),
            ("ListReports", []) => json(&list(stub)?),
            ("ListReports", [size, bookmark]) => json(&list_page(stub, text(size)?, text(bookmark)?)?),
            ("ListGrants", [id]) => json(&grants(stub, &report_id(id)?)?),
            ("ListOpenings", [id]) => json(&openings(stub, &report_id(id)?)?),
            (function, args) => Err(ChaincodeError::malformed(format!(
                "no function {function:?} with {} arguments; the chaincode has UploadReport(claim), ShareReport(id, msp), \
                 UnshareReport(id, msp), OpenReport(id, purpose), ReadReport(id), ListReports(), \
                 ListReports(pageSize, bookmark), ListGrants(id), ListOpenings(id)",
                args.len()
            ))),
        }
    }
}

fn parse_claim(bytes: &[u8]) -> Result<UploadClaim, ChaincodeError> {
    serde_json::from_slice(bytes).map_err(|error| {
        ChaincodeError::malformed(format!("the claim of UploadReport is not valid JSON: {error}"))
    })
}

fn text(arg: &[u8]) -> Result<&str, ChaincodeError> {
    std::str::from_utf8(arg).map_err(|_| ChaincodeError::malformed("an argument is not UTF-8 text"))
}

fn report_id(arg: &[u8]) -> Result<TxId, ChaincodeError> {
    TxId::new(text(arg)?).map_err(|error| ChaincodeError::malformed(format!("report id: {error}")))
}

fn msp_id(arg: &[u8]) -> Result<MspId, ChaincodeError> {
    MspId::new(text(arg)?).map_err(|error| ChaincodeError::malformed(error.to_string()))
}

fn finish<T: Serialize>(stub: &mut dyn Stub, event: &str, value: &T) -> Result<Bytes, ChaincodeError> {
    let payload = json(value)?;
    stub.set_event(event, payload.clone())?;
    Ok(payload)
}

fn json<T: Serialize>(value: &T) -> Result<Bytes, ChaincodeError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| ChaincodeError {
        status: 500,
        message: format!("the result does not serialise: {error}"),
    })
}
