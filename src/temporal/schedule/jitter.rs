//! How far an action is put off: a hash of its nominal time and the schedule's name decides.

const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// Seconds from the first year, where Go's clock starts, to the Unix epoch.
const UNIX_TO_GO: i64 = 62_135_596_800;

/// Milliseconds from 0 up to, but not including, `max_milliseconds`, which counts as at most 2^32 - 1.
pub(crate) fn milliseconds(seed: &str, nominal_seconds: i64, max_milliseconds: u64) -> u64 {
    let max = max_milliseconds.min(u64::from(u32::MAX));
    let mut bytes = go_time(nominal_seconds).to_vec();
    bytes.extend_from_slice(seed.as_bytes());
    (u64::from(fingerprint(&bytes)) * max) >> 32
}

/// A moment in UTC, as Go's `time.Time` writes itself: a version, seconds, nanoseconds, and -1 for UTC.
fn go_time(seconds: i64) -> [u8; 15] {
    let mut bytes = [0; 15];
    bytes[0] = 1;
    bytes[1..9].copy_from_slice(&seconds.saturating_add(UNIX_TO_GO).to_be_bytes());
    bytes[13..].copy_from_slice(&[0xff, 0xff]);
    bytes
}

/// FarmHash's Fingerprint32, for more than 24 bytes: a moment and a namespace's id are 51.
fn fingerprint(bytes: &[u8]) -> u32 {
    let length = bytes.len() as u32;
    let from_end = |back: usize| mix(word(bytes, bytes.len().saturating_sub(back)));
    let (mut h, mut g) = (length, C1.wrapping_mul(length));
    let mut f = g;
    h = step(step(h ^ from_end(4)) ^ from_end(16));
    g = step(step(g ^ from_end(8)) ^ from_end(12));
    f = f.wrapping_add(from_end(20)).rotate_right(19).wrapping_add(113);
    let mut rest = bytes;
    while rest.len() > 20 {
        let [a, b, c, d, e] = [0, 4, 8, 12, 16].map(|at| word(rest, at));
        h = murmur(d, h.wrapping_add(a)).wrapping_add(e);
        g = murmur(c, g.wrapping_add(b)).wrapping_add(a);
        f = murmur(b.wrapping_add(e.wrapping_mul(C1)), f.wrapping_add(c)).wrapping_add(d);
        f = f.wrapping_add(g);
        g = g.wrapping_add(f);
        rest = &rest[20..];
    }
    let finish = |value: u32| {
        let value = value.rotate_right(11).wrapping_mul(C1);
        value.rotate_right(17).wrapping_mul(C1)
    };
    for other in [finish(g), finish(f)] {
        h = step(h.wrapping_add(other)).rotate_right(17).wrapping_mul(C1);
    }
    h
}

/// Four bytes, little end first; zero past the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn mix(value: u32) -> u32 {
    value.wrapping_mul(C1).rotate_right(17).wrapping_mul(C2)
}

fn step(value: u32) -> u32 {
    value.rotate_right(19).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn murmur(value: u32, into: u32) -> u32 {
    step(into ^ mix(value))
}
