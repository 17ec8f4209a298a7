//! The sample chaincode that everybody in the field knows: assets with an owner.
//!
//! Functions and JSON are those that clients of the `asset-transfer-basic` sample expect: `CreateAsset`, `ReadAsset`,
//! `UpdateAsset`, `DeleteAsset`, `TransferAsset`, `GetAllAssets`, `AssetExists`, `InitLedger`; and of
//! `asset-transfer-ledger-queries`: `GetAssetHistory` and `GetAssetsByRangeWithPagination`, which are for evaluation. Beside
//! them `PutAsset` writes without reading. It judges arguments and existence, and leaves who may act to the channel's
//! policies.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shim::{Chaincode, ChaincodeError, Stub};

mod queries;
#[cfg(test)]
mod tests;

/// Assets listed in one call; a larger ledger needs pages (`GetAssetsByRangeWithPagination`).
const ASSETS_LISTED_MAX: usize = 10_000;

/// The chaincode.
#[derive(Clone, Copy, Debug, Default)]
pub struct AssetTransfer;

/// One asset, with the field names of the sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Value in whole units.
    #[serde(rename = "AppraisedValue")]
    pub appraised_value: i64,
    /// Colour.
    #[serde(rename = "Color")]
    pub color: String,
    /// Unique id, the key.
    #[serde(rename = "ID")]
    pub id: String,
    /// Owner's name.
    #[serde(rename = "Owner")]
    pub owner: String,
    /// Size.
    #[serde(rename = "Size")]
    pub size: i64,
}

impl Chaincode for AssetTransfer {
    fn name(&self) -> &'static str {
        "asset-transfer"
    }

    fn version(&self) -> &'static str {
        "1.1"
    }

    fn invoke(&self, stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
        let args = texts(stub)?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match (stub.function(), args.as_slice()) {
            ("CreateAsset", [id, color, size, owner, value]) => {
                create(stub, &asset(id, color, size, owner, value)?)
            }
            ("UpdateAsset", [id, color, size, owner, value]) => {
                update(stub, &asset(id, color, size, owner, value)?)
            }
            // Loads data, and measures a network without a read: it meets no other transaction.
            ("PutAsset", [id, color, size, owner, value]) => {
                put(stub, &asset(id, color, size, owner, value)?)
            }
            ("ReadAsset", [id]) => read(stub, id).map(|asset| json(&asset)),
            ("DeleteAsset", [id]) => delete(stub, id),
            ("TransferAsset", [id, owner]) => transfer(stub, id, owner),
            ("AssetExists", [id]) => Ok(json(&stub.state(id)?.is_some())),
            ("GetAllAssets", []) => list(stub),
            ("InitLedger", []) => init(stub),
            ("GetAssetHistory", [id]) => queries::history(stub, id),
            ("GetAssetsByRangeWithPagination", [start, end, page_size, bookmark]) => {
                queries::page(stub, (start, end), page_size, bookmark)
            }
            (function, args) => Err(unknown(function, args.len())),
        }
    }
}

fn unknown(function: &str, count: usize) -> ChaincodeError {
    let known = [
        "CreateAsset(id, color, size, owner, appraisedValue)",
        "PutAsset(id, color, size, owner, appraisedValue)",
        "ReadAsset(id)",
        "UpdateAsset(id, color, size, owner, appraisedValue)",
        "DeleteAsset(id)",
        "TransferAsset(id, newOwner)",
        "GetAllAssets()",
        "AssetExists(id)",
        "InitLedger()",
        "GetAssetHistory(id)",
        "GetAssetsByRangeWithPagination(startKey, endKey, pageSize, bookmark)",
    ];
    ChaincodeError::malformed(format!(
        "no function {function:?} with {count} arguments; the chaincode has {}",
        known.join(", ")
    ))
}

fn texts(stub: &dyn Stub) -> Result<Vec<String>, ChaincodeError> {
    let text = |(place, arg): (usize, &Bytes)| {
        String::from_utf8(arg.to_vec())
            .map_err(|_| ChaincodeError::malformed(format!("argument {} is not UTF-8 text", place + 1)))
    };
    stub.args().iter().enumerate().map(text).collect()
}

fn asset(id: &str, color: &str, size: &str, owner: &str, value: &str) -> Result<Asset, ChaincodeError> {
    let number = |name: &str, text: &str| {
        text.parse::<i64>().map_err(|_| {
            ChaincodeError::malformed(format!(
                "{name} {text:?} is not a whole number between -2^63 and 2^63-1"
            ))
        })
    };
    Ok(Asset {
        id: id.to_owned(),
        color: color.to_owned(),
        size: number("size", size)?,
        owner: owner.to_owned(),
        appraised_value: number("appraised value", value)?,
    })
}

fn create(stub: &mut dyn Stub, asset: &Asset) -> Result<Bytes, ChaincodeError> {
    if stub.state(&asset.id)?.is_some() {
        return Err(ChaincodeError::conflict(format!("the asset {} already exists", asset.id)));
    }
    put(stub, asset)
}

fn update(stub: &mut dyn Stub, asset: &Asset) -> Result<Bytes, ChaincodeError> {
    read(stub, &asset.id)?;
    put(stub, asset)
}

fn read(stub: &mut dyn Stub, id: &str) -> Result<Asset, ChaincodeError> {
    let value =
        stub.state(id)?.ok_or_else(|| ChaincodeError::not_found(format!("the asset {id} does not exist")))?;
    serde_json::from_slice(&value).map_err(|error| ChaincodeError {
        status: 500,
        message: format!("the asset {id} is not readable: {error}"),
    })
}

fn delete(stub: &mut dyn Stub, id: &str) -> Result<Bytes, ChaincodeError> {
    read(stub, id)?;
    stub.delete_state(id)?;
    Ok(Bytes::new())
}

fn transfer(stub: &mut dyn Stub, id: &str, owner: &str) -> Result<Bytes, ChaincodeError> {
    let asset = read(stub, id)?;
    let old_owner = asset.owner.clone();
    put(stub, &Asset { owner: owner.to_owned(), ..asset })?;
    Ok(Bytes::from(old_owner))
}

fn list(stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
    let found = stub.range("", "", ASSETS_LISTED_MAX)?;
    let assets: Vec<Asset> =
        found.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect();
    Ok(json(&assets))
}

fn init(stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
    let rows = [
        ("asset1", "blue", 5, "Tomoko", 300),
        ("asset2", "red", 5, "Brad", 400),
        ("asset3", "green", 10, "Jin Soo", 500),
    ];
    for (id, color, size, owner, appraised_value) in rows {
        put(stub, &Asset { id: id.into(), color: color.into(), size, owner: owner.into(), appraised_value })?;
    }
    Ok(Bytes::new())
}

fn put(stub: &mut dyn Stub, asset: &Asset) -> Result<Bytes, ChaincodeError> {
    let value = json(asset);
    stub.put_state(&asset.id, value.clone())?;
    Ok(value)
}

fn json<T: Serialize>(value: &T) -> Bytes {
    // A struct of numbers and strings always serialises.
    serde_json::to_vec(value).unwrap_or_default().into()
}
