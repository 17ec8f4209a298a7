//! Families of keys and how each kind lies on disk.
//!
//! Blocks and sealed blocks are written once and read rarely, so values from a size on go to blob files, which a
//! compaction does not rewrite. Sealed blocks are ciphertext: compressing them only costs time.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options};

/// What a family holds, from which compression and files follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// Small records and indexes: LZ4.
    Small,
    /// World state, read at random: LZ4, small pages.
    State,
    /// Blocks of a channel: zstd, large values in blob files.
    Blocks,
    /// Ciphertext of up to 2 MiB a value: not compressed, in blob files.
    Blob,
}

/// A family to open: the name is fixed in code and never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilySpec {
    /// The family's name; `default` is the store's own.
    pub name: &'static str,
    /// What it holds.
    pub kind: FamilyKind,
}

/// Bits of bloom filter a key: 1 % of the lookups of absent keys touch the disk.
const BLOOM_BITS_A_KEY: f64 = 10.0;
/// Allocation step of a memtable; the engine's own default of an eighth of the buffer would cost an idle node 1 MiB a family.
const ARENA_BYTES: usize = 256 << 10;
/// A blob file is deleted as a whole, so it should not grow large.
const BLOB_FILE_BYTES: u64 = 64 << 20;

impl FamilyKind {
    /// The engine's options for a family of this kind. `write_buffer_bytes` bounds one memtable.
    pub(crate) fn options(self, cache: &Cache, write_buffer_bytes: usize) -> Options {
        let mut options = Options::default();
        options.set_block_based_table_factory(&self.table(cache));
        options.set_write_buffer_size(write_buffer_bytes);
        options.set_arena_block_size(ARENA_BYTES);
        options.set_max_write_buffer_number(3);
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_compression_type(self.compression());
        options.set_bottommost_compression_type(self.compression());
        if let Some(min_blob_bytes) = self.min_blob_bytes() {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(min_blob_bytes);
            options.set_blob_file_size(BLOB_FILE_BYTES);
            options.set_blob_compression_type(self.compression());
            options.set_enable_blob_gc(true);
        }
        options
    }

    fn table(self, cache: &Cache) -> BlockBasedOptions {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_bloom_filter(BLOOM_BITS_A_KEY, false);
        table.set_format_version(5);
        // Index and filter pages count against the bounded cache, so that memory does not grow with the data.
        table.set_cache_index_and_filter_blocks(true);
        table.set_cache_index_and_filter_blocks_with_high_priority(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_block_size(if self == Self::Blocks { 16 << 10 } else { 4 << 10 });
        table
    }

    const fn compression(self) -> DBCompressionType {
        match self {
            Self::Small | Self::State => DBCompressionType::Lz4,
            Self::Blocks => DBCompressionType::Zstd,
            Self::Blob => DBCompressionType::None,
        }
    }

    const fn min_blob_bytes(self) -> Option<u64> {
        match self {
            Self::Small | Self::State => None,
            Self::Blocks => Some(32 << 10),
            Self::Blob => Some(4 << 10),
        }
    }
}
