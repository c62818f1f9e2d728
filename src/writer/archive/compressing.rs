//! Compressing a file, with the same memory whatever its size.

use std::fs::File;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::Compress;
use crate::limits::{ARCHIVE_GZIP_LEVEL, ARCHIVE_READ_BYTES, ARCHIVE_ZSTD_LEVEL};

/// Compresses `from` into `to`, both from where they stand; says how many bytes it has read. When
/// `is_stopped` says so it ends, and what it has made is of no use.
pub fn compress(
    from: &mut File,
    to: &mut File,
    how: Compress,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<u64> {
    match how {
        Compress::None => io::copy(from, to),
        Compress::Gzip => {
            let mut encoder = GzEncoder::new(to, Compression::new(ARCHIVE_GZIP_LEVEL));
            let bytes = copy(from, &mut encoder, is_stopped)?;
            encoder.finish()?;
            Ok(bytes)
        }
        Compress::Zstd => {
            let mut encoder = ZstdEncoder::new(to, ARCHIVE_ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            let bytes = copy(from, &mut encoder, is_stopped)?;
            encoder.finish()?;
            Ok(bytes)
        }
    }
}

fn copy(from: &mut File, to: &mut impl Write, is_stopped: &dyn Fn() -> bool) -> io::Result<u64> {
    let mut bytes = 0;
    while !is_stopped() {
        match io::copy(&mut Read::by_ref(from).take(ARCHIVE_READ_BYTES), to)? {
            0 => break,
            read => bytes += read,
        }
    }
    Ok(bytes)
}
