//! What a hospital's own users ask of their peer. Its messages hold plaintext and data keys: they are never logged.

use protocol::limits::{MESSAGE_BYTES_MAX, NODE_MESSAGE_BYTES_MAX};
use protocol::{DownloadEvent, SealRequest, SealedReport, SignedRequest, UploadedBefore, VerifyReport};

grpc_service! {
    /// What a peer offers to the users of its hospital.
    trait Reports, server ReportsServer, client ReportsClient;
    name "consilium.Reports", requests NODE_MESSAGE_BYTES_MAX, answers MESSAGE_BYTES_MAX;
    /// Seals and stores the file that streams in; returns what the upload's proposal needs.
    client_stream seal = "Seal": MessagePack<SealRequest> => MessagePack<SealedReport>;
    /// Fetches, opens and streams a report whose opening is recorded. The payload is a `DownloadRequest`.
    server_stream download = "Download": MessagePack<SignedRequest> => MessagePack<DownloadEvent>;
    /// Compares a report's record, blocks and sealed bytes. The payload is a `VerifyRequest`.
    unary verify = "Verify": MessagePack<SignedRequest> => MessagePack<VerifyReport>;
    /// The reports by which this hospital uploaded a file before. The payload is an `UploadedRequest`.
    unary uploaded = "Uploaded": MessagePack<SignedRequest> => MessagePack<Vec<UploadedBefore>>;
}
