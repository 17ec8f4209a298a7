//! Fabric's verdict codes on a transaction, with Fabric's names and numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// The verdict on a transaction. It is data, stored and sent, never an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u8", into = "u8")]
        #[repr(u8)]
        pub enum TxValidationCode {
            $($(#[$doc])* $variant = $number,)*
        }

        impl TxValidationCode {
            /// Fabric's name of the code, such as `MVCC_READ_CONFLICT`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Fabric's number of the code.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The code of a number, `None` where Fabric has none.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// The transaction's writes are in the world state.
    Valid = 0, "VALID";
    /// The envelope is empty.
    NilEnvelope = 1, "NIL_ENVELOPE";
    /// The payload does not decode.
    BadPayload = 2, "BAD_PAYLOAD";
    /// A header is missing or does not decode.
    BadCommonHeader = 3, "BAD_COMMON_HEADER";
    /// The creator's identity or signature does not hold.
    BadCreatorSignature = 4, "BAD_CREATOR_SIGNATURE";
    /// The transaction's form is wrong.
    InvalidEndorserTransaction = 5, "INVALID_ENDORSER_TRANSACTION";
    /// A configuration transaction does not hold.
    InvalidConfigTransaction = 6, "INVALID_CONFIG_TRANSACTION";
    /// The kind of payload is not processed.
    UnsupportedTxPayload = 7, "UNSUPPORTED_TX_PAYLOAD";
    /// The tx id is not the hash of nonce and creator.
    BadProposalTxid = 8, "BAD_PROPOSAL_TXID";
    /// The tx id stands in the ledger already.
    DuplicateTxid = 9, "DUPLICATE_TXID";
    /// The endorsements do not satisfy the chaincode's policy.
    EndorsementPolicyFailure = 10, "ENDORSEMENT_POLICY_FAILURE";
    /// A key that was read has another version now.
    MvccReadConflict = 11, "MVCC_READ_CONFLICT";
    /// A range that was scanned has other content now.
    PhantomReadConflict = 12, "PHANTOM_READ_CONFLICT";
    /// The header's type is unknown.
    UnknownTxType = 13, "UNKNOWN_TX_TYPE";
    /// The transaction names another channel.
    TargetChainNotFound = 14, "TARGET_CHAIN_NOT_FOUND";
    /// The transaction does not decode.
    MarshalTxError = 15, "MARSHAL_TX_ERROR";
    /// The transaction has no action.
    NilTxaction = 16, "NIL_TXACTION";
    /// The chaincode's definition ended.
    ExpiredChaincode = 17, "EXPIRED_CHAINCODE";
    /// The chaincode's version is not the one in force.
    ChaincodeVersionConflict = 18, "CHAINCODE_VERSION_CONFLICT";
    /// The channel header's extension does not decode.
    BadHeaderExtension = 19, "BAD_HEADER_EXTENSION";
    /// The channel header does not hold.
    BadChannelHeader = 20, "BAD_CHANNEL_HEADER";
    /// The response payload does not decode or names another proposal.
    BadResponsePayload = 21, "BAD_RESPONSE_PAYLOAD";
    /// The read-write set does not decode.
    BadRwset = 22, "BAD_RWSET";
    /// The write set touches what it may not.
    IllegalWriteset = 23, "ILLEGAL_WRITESET";
    /// The write set's form is wrong.
    InvalidWriteset = 24, "INVALID_WRITESET";
    /// The channel has no such chaincode.
    InvalidChaincode = 25, "INVALID_CHAINCODE";
    /// Not judged yet.
    NotValidated = 254, "NOT_VALIDATED";
    /// Refused for a reason that has no code of its own: an identity that is not registered or not active.
    InvalidOtherReason = 255, "INVALID_OTHER_REASON";
}

impl TxValidationCode {
    /// Whether the transaction's writes were applied.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        matches!(self, Self::Valid)
    }
}

impl fmt::Display for TxValidationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<TxValidationCode> for u8 {
    fn from(code: TxValidationCode) -> Self {
        code.number()
    }
}

impl TryFrom<u8> for TxValidationCode {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        Self::from_number(number).ok_or_else(|| format!("{number} is no validation code"))
    }
}
