//! Fabric's package `orderer`: broadcast and the positions of deliver.

/// `orderer.BroadcastResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BroadcastResponse {
    /// A `Status`.
    #[prost(int32, tag = "1")]
    pub status: i32,
    /// Why not.
    #[prost(string, tag = "2")]
    pub info: String,
}

/// `orderer.SeekNewest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeekNewest {}

/// `orderer.SeekOldest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeekOldest {}

/// `orderer.SeekSpecified`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeekSpecified {
    /// The block.
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

/// `orderer.SeekNextCommit`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeekNextCommit {}

/// `orderer.SeekPosition`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeekPosition {
    /// Which position.
    #[prost(oneof = "seek_position::Type", tags = "1, 2, 3, 4")]
    pub r#type: Option<seek_position::Type>,
}

/// The kinds of [`SeekPosition`].
pub mod seek_position {
    /// Which position.
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Type {
        /// The newest block.
        #[prost(message, tag = "1")]
        Newest(super::SeekNewest),
        /// The oldest block.
        #[prost(message, tag = "2")]
        Oldest(super::SeekOldest),
        /// The block of that number.
        #[prost(message, tag = "3")]
        Specified(super::SeekSpecified),
        /// The block that is committed next.
        #[prost(message, tag = "4")]
        NextCommit(super::SeekNextCommit),
    }
}

/// `orderer.SeekInfo`: which blocks a deliver request wants.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeekInfo {
    /// First block.
    #[prost(message, optional, tag = "1")]
    pub start: Option<SeekPosition>,
    /// Last block.
    #[prost(message, optional, tag = "2")]
    pub stop: Option<SeekPosition>,
    /// What to do where a block is not there yet.
    #[prost(enumeration = "SeekBehavior", tag = "3")]
    pub behavior: i32,
}

/// `orderer.SeekInfo.SeekBehavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum SeekBehavior {
    /// Wait for it.
    BlockUntilReady = 0,
    /// Answer `NOT_FOUND`.
    FailIfNotReady = 1,
}

impl SeekPosition {
    /// The block of that number.
    #[must_use]
    pub const fn specified(number: u64) -> Self {
        Self { r#type: Some(seek_position::Type::Specified(SeekSpecified { number })) }
    }

    /// The newest block.
    #[must_use]
    pub const fn newest() -> Self {
        Self { r#type: Some(seek_position::Type::Newest(SeekNewest {})) }
    }

    /// The oldest block.
    #[must_use]
    pub const fn oldest() -> Self {
        Self { r#type: Some(seek_position::Type::Oldest(SeekOldest {})) }
    }
}
