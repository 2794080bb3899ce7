//! Images as tokens, by their size.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// What an image costs whatever its size.
const BASE: u64 = 85;
const PER_TILE: u64 = 170;
const TILE: u32 = 512;
const SHORT_SIDE: u32 = 768;
const LONG_SIDE: u32 = 2000;
/// The size that stands for one that cannot be read: the picture is elsewhere, or no picture.
const UNKNOWN: (u32, u32) = (300, 300);
/// How much of a picture is decoded: a JPEG's size stands behind its metadata.
const HEAD: usize = 256 * 1024;

/// Tokens of an `image_url` part's value: a URL, or `{url, detail?}`. The size is read from data URLs only: counting
/// never fetches anything.
pub(crate) fn tokens(image: &Value) -> u64 {
    let url = image.as_str().or_else(|| image.get("url")?.as_str());
    match image.get("detail").and_then(Value::as_str) {
        Some("high") => {
            let size = url.and_then(size_of_data_url).unwrap_or(UNKNOWN);
            BASE + PER_TILE * tiles(shrunk(size))
        }
        _ => BASE,
    }
}

/// Tokens of an image whose size nobody asked about.
pub(crate) const fn low_detail() -> u64 {
    BASE
}

fn tiles((width, height): (u32, u32)) -> u64 {
    u64::from(width.div_ceil(TILE)) * u64::from(height.div_ceil(TILE))
}

/// The size that the model sees: the short side 768, the long one at most 2000; small images stay as they are.
fn shrunk((width, height): (u32, u32)) -> (u32, u32) {
    if (width <= SHORT_SIDE && height <= SHORT_SIDE) || width == 0 || height == 0 {
        return (width, height);
    }
    let (short, long) = (width.min(height), width.max(height));
    let ratio = f64::from(long) / f64::from(short);
    let long = (f64::from(SHORT_SIDE) * ratio) as u32;
    let (short, long) = match long > LONG_SIDE {
        true => ((f64::from(LONG_SIDE) / ratio) as u32, LONG_SIDE),
        false => (SHORT_SIDE, long),
    };
    if width <= height {
        (short, long)
    } else {
        (long, short)
    }
}

fn size_of_data_url(url: &str) -> Option<(u32, u32)> {
    let (_, data) = url.strip_prefix("data:")?.split_once("base64,")?;
    // A prefix of base64 decodes if it is whole groups of four.
    let length = data.len().min(HEAD) / 4 * 4;
    let head = STANDARD.decode(data.get(..length)?).ok()?;
    size(&head)
}

/// Width and height from the first bytes of a PNG, GIF, JPEG or WebP.
pub(crate) fn size(head: &[u8]) -> Option<(u32, u32)> {
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some((big(head, 16, 4)?, big(head, 20, 4)?));
    }
    if head.starts_with(b"GIF8") {
        return Some((little(head, 6, 2)?, little(head, 8, 2)?));
    }
    if head.starts_with(b"\xff\xd8") {
        return jpeg(head);
    }
    if head.starts_with(b"RIFF") && head.get(8..12)? == b"WEBP" {
        return webp(head);
    }
    None
}

/// Walks the segments up to the frame header.
fn jpeg(head: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        if *head.get(at)? != 0xff {
            return None;
        }
        let marker = *head.get(at + 1)?;
        match marker {
            // Filling before a marker.
            0xff => at += 1,
            // Frame headers, of all kinds of coding; C4, C8 and CC are something else.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some((big(head, at + 7, 2)?, big(head, at + 5, 2)?));
            }
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => at += 2 + usize::try_from(big(head, at + 2, 2)?).ok()?.max(2),
        }
    }
}

fn webp(head: &[u8]) -> Option<(u32, u32)> {
    match head.get(12..16)? {
        b"VP8X" => Some((little(head, 24, 3)? + 1, little(head, 27, 3)? + 1)),
        b"VP8 " => Some((little(head, 26, 2)? & 0x3fff, little(head, 28, 2)? & 0x3fff)),
        b"VP8L" => {
            let bits = little(head, 21, 4)?;
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        _ => None,
    }
}

fn big(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
    )
}

fn little(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    #[test]
    fn sizes_are_read_from_every_format() {
        assert_eq!(size(&png(1024, 512)), Some((1024, 512)));
        assert_eq!(size(b"GIF89a\x80\x02\xe0\x01"), Some((640, 480)));
        let jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc2\x00\x11\x08\x01\xe0\x02\x80\x03";
        assert_eq!(size(jpeg), Some((640, 480)));
        let mut extended = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0".to_vec();
        extended.extend(b"\x7f\x02\x00\xdf\x01\x00");
        assert_eq!(size(&extended), Some((640, 480)));
        let mut lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a".to_vec();
        lossy.extend(b"\x80\x02\xe0\x01");
        assert_eq!(size(&lossy), Some((640, 480)));
        let mut lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f".to_vec();
        lossless.extend((639u32 | 479 << 14).to_le_bytes());
        assert_eq!(size(&lossless), Some((640, 480)));
        assert_eq!(size(b"nothing"), None);
    }

    #[test]
    fn detail_decides() {
        let url = format!("data:image/png;base64,{}", STANDARD.encode(png(1024, 1024)));
        assert_eq!(tokens(&json!({"url": url, "detail": "high"})), 85 + 4 * 170);
        assert_eq!(tokens(&json!({"url": url, "detail": "low"})), 85);
        assert_eq!(tokens(&json!(url)), 85);
        assert_eq!(
            tokens(&json!({"url": "https://example.com/x.png", "detail": "high"})),
            255
        );
        assert_eq!(shrunk((2048, 4096)), (768, 1536));
        assert_eq!(shrunk((500, 5000)), (200, 2000));
        assert_eq!(shrunk((700, 700)), (700, 700));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(
            magic in prop::sample::select(vec![&b"\xff\xd8"[..], b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF1234WEBPVP8X", b"RIFF1234WEBPVP8L"]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = size(&[magic, &rest].concat()).map(shrunk).map(tiles);
        }
    }
}
