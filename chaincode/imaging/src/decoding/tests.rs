//! What decodes, and what is refused before its cost.

use super::*;

/// A file of tests/images.
macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/images/", $name)).as_slice()
    };
}

fn decoded(bytes: &[u8]) -> Result<Image, ImagingError> {
    decode(bytes, &DecodeLimits::default())
}

/// The bytes with those at `at` replaced.
fn patched(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut patched = bytes.to_vec();
    patched[at..at + with.len()].copy_from_slice(with);
    patched
}

/// A PNG file without pixels whose header claims these dimensions.
fn png_header(width: u32, height: u32, depth_and_color: [u8; 2]) -> Vec<u8> {
    let mut file = crate::png::SIGNATURE.to_vec();
    file.extend(b"\0\0\0\x0dIHDR");
    file.extend(width.to_be_bytes());
    file.extend(height.to_be_bytes());
    file.extend(depth_and_color);
    // Compression, filter and interlacing, then a checksum that nobody gets to check, then IEND.
    file.extend([0, 0, 0, 1, 2, 3, 4]);
    file.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    file
}

/// A JPEG file without pixels: a frame header of this kind with these dimensions, a scan header and the end.
fn jpeg_header(marker: u8, width: u16, height: u16, precision: u8) -> Vec<u8> {
    let ([w1, w0], [h1, h0]) = (width.to_be_bytes(), height.to_be_bytes());
    let mut file = vec![0xff, 0xd8, 0xff, marker, 0, 17, precision, h1, h0, w1, w0, 3];
    file.extend([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    file.extend([0xff, 0xd9]);
    file
}

#[test]
fn the_first_bytes_decide_the_format_whatever_the_file_is_called() {
    let unsupported = |found| Err(ImagingError::UnsupportedMediaType { found });
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM");
    for (bytes, verdict) in [
        (file!("grey.png"), Ok(MediaType::Png)),
        (file!("grey.jpg"), Ok(MediaType::Jpeg)),
        (b"".as_slice(), Err(ImagingError::Empty)),
        (b"This is a letter called x.png.", unsupported("a text")),
        (b"\x89PNG\r\n\x1a", unsupported("no known image format")),
        (b"\xff\xd8", unsupported("no known image format")),
        (b"GIF89a", unsupported("GIF")),
        (b"%PDF-1.7", unsupported("PDF")),
        (b"RIFF\x10\0\0\0WEBPVP8 ", unsupported("WebP")),
        (b"II*\0\x08\0\0\0", unsupported("TIFF")),
        (b"<svg/>", unsupported("XML or HTML")),
        (&dicom, unsupported("DICOM")),
    ] {
        assert_eq!(MediaType::sniff(bytes), verdict, "{verdict:?}");
        if let Err(error) = verdict {
            assert_eq!(decoded(bytes), Err(error));
        }
    }
}

#[test]
fn an_image_tells_its_format_and_size() {
    for (bytes, media_type) in [(file!("rgb.png"), "image/png"), (file!("rgb_420.jpg"), "image/jpeg")] {
        let image = decoded(bytes).unwrap();
        assert_eq!((image.media_type().as_str(), image.width(), image.height()), (media_type, 45, 37));
        assert_eq!(image.grey().len(), 45 * 37);
        assert_eq!(format!("{image:?}"), format!("Image({media_type}, 45 x 37 px)"), "no pixels are shown");
    }
}

#[test]
fn a_header_alone_refuses_an_image_that_is_too_large() {
    let side_max = 16_384;
    let pixels_max = 100_000_000;
    let no_pixels = |media_type, width, height| ImagingError::NoPixels { media_type, width, height };
    for (bytes, verdict) in [
        (
            png_header(20_000, 20_000, [8, 2]),
            ImagingError::SideTooLong { width: 20_000, height: 20_000, side_max },
        ),
        (png_header(16_385, 1, [8, 0]), ImagingError::SideTooLong { width: 16_385, height: 1, side_max }),
        (png_header(1, u32::MAX, [8, 0]), ImagingError::SideTooLong { width: 1, height: u32::MAX, side_max }),
        (
            png_header(10_001, 10_000, [8, 0]),
            ImagingError::TooManyPixels { width: 10_001, height: 10_000, pixels_max },
        ),
        (png_header(0, 10, [8, 0]), no_pixels(MediaType::Png, 0, 10)),
        (png_header(10, 0, [8, 0]), no_pixels(MediaType::Png, 10, 0)),
        (
            jpeg_header(0xc0, 20_000, 20_000, 8),
            ImagingError::SideTooLong { width: 20_000, height: 20_000, side_max },
        ),
        (
            jpeg_header(0xc2, 16_384, 16_384, 8),
            ImagingError::TooManyPixels { width: 16_384, height: 16_384, pixels_max },
        ),
        (jpeg_header(0xc0, 0, 9, 8), no_pixels(MediaType::Jpeg, 0, 9)),
        (jpeg_header(0xc0, 9, 0, 8), no_pixels(MediaType::Jpeg, 9, 0)),
        (
            jpeg_header(0xc2, 10_000, 10_000, 8),
            ImagingError::WorkingTooLarge {
                media_type: MediaType::Jpeg,
                bytes: 900_000_000,
                bytes_max: 512 << 20,
            },
        ),
    ] {
        assert_eq!(decoded(&bytes), Err(verdict));
    }
}

#[test]
fn every_limit_admits_its_own_value_and_refuses_the_next() {
    let file = file!("rgb_16_bit.png");
    let length = file.len() as u64;
    let exact = DecodeLimits {
        encoded_bytes_max: length,
        side_max: 45,
        pixels_max: 45 * 37,
        working_bytes_max: 45 * 37 * 6,
    };
    assert!(decode(file, &exact).is_ok());
    for (limits, verdict) in [
        (
            DecodeLimits { encoded_bytes_max: length - 1, ..exact },
            ImagingError::EncodedTooLarge { bytes: length, bytes_max: length - 1 },
        ),
        (
            DecodeLimits { side_max: 44, ..exact },
            ImagingError::SideTooLong { width: 45, height: 37, side_max: 44 },
        ),
        (
            DecodeLimits { pixels_max: 45 * 37 - 1, ..exact },
            ImagingError::TooManyPixels { width: 45, height: 37, pixels_max: 45 * 37 - 1 },
        ),
        (
            DecodeLimits { working_bytes_max: 45 * 37 * 6 - 1, ..exact },
            ImagingError::WorkingTooLarge { media_type: MediaType::Png, bytes: 9990, bytes_max: 9989 },
        ),
    ] {
        assert_eq!(decode(file, &limits), Err(verdict));
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for file in [file!("rgb.png"), file!("one_pixel.png"), file!("rgb_420.jpg"), file!("progressive.jpg")] {
        for length in 0..file.len() {
            let verdict = decoded(&file[..length]);
            assert!(verdict.is_err(), "{length} of {} bytes", file.len());
            if length >= 32 {
                assert!(matches!(verdict, Err(ImagingError::Truncated { .. })), "{length}: {verdict:?}");
            }
        }
    }
}

#[test]
fn bytes_after_the_end_of_the_image_change_nothing() {
    for file in [file!("rgb.png"), file!("rgb_420.jpg"), file!("progressive.jpg")] {
        let longer = [file, b"\0\0 padding \xff\xd8\xff"].concat();
        assert_eq!(decoded(&longer), decoded(file));
    }
}

#[test]
fn the_first_frame_of_an_animation_is_the_image() {
    let still = decoded(file!("grey.png")).unwrap();
    assert_eq!(decoded(file!("animated.png")).unwrap().grey(), still.grey());
    assert_eq!(decoded(file!("animated_default.png")).unwrap().grey(), still.grey());
}

#[test]
fn transparency_gamma_interlacing_and_rotation_marks_change_nothing() {
    for (plain, marked) in [
        (file!("grey.png"), file!("grey_alpha.png")),
        (file!("grey.png"), file!("gamma.png")),
        (file!("grey.png"), file!("interlaced.png")),
        (file!("rgb.png"), file!("rgba.png")),
        (file!("rgb.png"), file!("rgb_transparent.png")),
        (file!("palette.png"), file!("palette_transparent.png")),
        (file!("rgb_16_bit.png"), file!("rgba_16_bit.png")),
        (file!("rgb_420.jpg"), file!("rotated_by_exif.jpg")),
    ] {
        assert_eq!(decoded(marked).unwrap().grey(), decoded(plain).unwrap().grey());
    }
}

#[test]
fn sixteen_bits_a_sample_keep_their_upper_eight() {
    let upper = decoded(file!("grey.png")).unwrap();
    assert_eq!(decoded(file!("grey_16_bit.png")).unwrap().grey(), upper.grey());
    assert_eq!(decoded(file!("grey_alpha_16_bit.png")).unwrap().grey(), upper.grey());
}

#[test]
fn fewer_than_eight_bits_are_spread_over_the_whole_range() {
    let levels = |bytes| {
        let mut levels = decoded(bytes).unwrap().grey().to_vec();
        levels.sort_unstable();
        levels.dedup();
        levels
    };
    assert_eq!(levels(file!("one_bit.png")), [0, 255]);
    assert_eq!(levels(file!("grey_2_bit.png")), [0, 85, 170, 255]);
    assert_eq!(levels(file!("grey_4_bit.png")), (0..16).map(|level| level * 17).collect::<Vec<u8>>());
}

#[test]
fn files_that_break_their_format_are_malformed() {
    let png = file!("grey.png");
    let jpeg = file!("grey.jpg");
    let frame_at = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let two_frames = [&jpeg[..frame_at], &jpeg[frame_at..frame_at + 13], &jpeg[frame_at..]].concat();
    let no_frame = [&jpeg[..frame_at], &jpeg[frame_at + 13..]].concat();
    for (bytes, what) in [
        (patched(png, 12, b"JUNK"), "the first chunk is not IHDR"),
        (patched(png, 11, &[14]), "IHDR has another length"),
        (patched(png, 8, &[0xff]), "a chunk is longer than the format allows"),
        (patched(png, 24, &[9]), "nine bits a sample"),
        (patched(png, 29, &[0, 0, 0, 0]), "the checksum of IHDR is wrong"),
        (patched(png, 60, &[0xaa; 8]), "the pixel data are damaged"),
        (png_header(9, 9, [8, 0]), "there are no pixel data"),
        (two_frames, "two frame headers"),
        (no_frame, "a scan without a frame header"),
        (b"\xff\xd8\xff\xd9".to_vec(), "an image of nothing"),
        (b"\xff\xd8\xff\xe0\0\x01\xff\xd9".to_vec(), "a segment shorter than its own length"),
        (b"\xff\xd8\xff\xc0\0\x04\x08\0\xff\xd9".to_vec(), "a frame header that is too short"),
        (jpeg_header(0xc0, 9, 9, 8), "a scan without tables"),
    ] {
        let verdict = decoded(&bytes);
        assert!(matches!(verdict, Err(ImagingError::Malformed { .. })), "{what}: {verdict:?}");
    }
}

#[test]
fn codings_that_are_not_decoded_are_named() {
    for (marker, precision, named) in [
        (0xc1, 12, "12 bits a sample"),
        (0xc3, 8, "lossless coding"),
        (0xc5, 8, "hierarchical coding"),
        (0xc9, 8, "arithmetic coding"),
        (0xca, 8, "arithmetic coding"),
        (0xcf, 8, "arithmetic coding"),
    ] {
        let verdict = decoded(&jpeg_header(marker, 9, 9, precision));
        let expected = ImagingError::Unsupported { media_type: MediaType::Jpeg, feature: named.to_owned() };
        assert_eq!(verdict, Err(expected), "{marker:x}");
    }
}

#[test]
fn a_file_of_very_many_scans_is_refused_before_they_are_decoded() {
    let file = file!("progressive.jpg");
    let scan_at = file.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    let scan = &[0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0];
    let many = [&file[..scan_at], &scan.repeat(101), &file[scan_at..]].concat();
    let feature = "over 100 scans".to_owned();
    assert_eq!(decoded(&many), Err(ImagingError::Unsupported { media_type: MediaType::Jpeg, feature }));
}

#[test]
fn limits_of_the_largest_numbers_do_not_overflow() {
    let (u32_max, u64_max) = (u32::MAX, u64::MAX);
    let limits = DecodeLimits {
        encoded_bytes_max: u64_max,
        side_max: u32_max,
        pixels_max: u64_max,
        working_bytes_max: 1 << 30,
    };
    for bytes in
        [png_header(i32::MAX as u32, i32::MAX as u32, [16, 6]), jpeg_header(0xc2, u16::MAX, u16::MAX, 8)]
    {
        assert!(decode(&bytes, &limits).is_err());
    }
}

#[test]
fn errors_name_value_origin_and_remedy_and_quote_no_content() {
    let secret = b"Jane Doe, born 1970, positive";
    let text = decoded(secret).unwrap_err().to_string();
    assert!(!text.contains("Jane") && text.contains("convert it to PNG or JPEG"), "{text}");
    let text = decoded(&png_header(20_000, 20_000, [8, 2])).unwrap_err().to_string();
    assert_eq!(
        text,
        "the image header claims 20000 x 20000 px, over the limit side_max of 16384; scale it down"
    );
    let cut = &file!("rgb.png")[..100];
    let text = decoded(cut).unwrap_err().to_string();
    assert_eq!(
        text,
        "the image/png file of 100 bytes ends before its IEND chunk; it was cut short: send it again"
    );
}
