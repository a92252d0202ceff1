//! FarmHash's 32-bit fingerprint (`farmhashmk::Hash32`), by which Temporal decides which workflows take part in a ramp.

const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// The fingerprint of some bytes. Its values are fixed for all time, on every machine.
pub(crate) fn fingerprint32(bytes: &[u8]) -> u32 {
    match bytes.len() {
        0..=4 => up_to_4(bytes),
        5..=12 => up_to_12(bytes),
        13..=24 => up_to_24(bytes),
        _ => longer(bytes),
    }
}

fn up_to_4(bytes: &[u8]) -> u32 {
    let mut b: u32 = 0;
    let mut c: u32 = 9;
    for byte in bytes {
        // The original reads the bytes as signed.
        let value = i32::from(byte.cast_signed()).cast_unsigned();
        b = b.wrapping_mul(C1).wrapping_add(value);
        c ^= b;
    }
    finish(mix(b, mix(length(bytes), c)))
}

fn up_to_12(bytes: &[u8]) -> u32 {
    let size = bytes.len();
    let a = length(bytes).wrapping_add(word(bytes, 0));
    let d = length(bytes).wrapping_mul(5);
    let b = d.wrapping_add(word(bytes, size - 4));
    let c = 9u32.wrapping_add(word(bytes, (size >> 1) & 4));
    finish(mix(c, mix(b, mix(a, d))))
}

fn up_to_24(bytes: &[u8]) -> u32 {
    let size = bytes.len();
    let b = word(bytes, 4);
    let c = word(bytes, size - 8);
    let d = word(bytes, size >> 1);
    let e = word(bytes, 0);
    let f = word(bytes, size - 4);
    let h = d.wrapping_mul(C1).wrapping_add(length(bytes));
    let a = word(bytes, (size >> 1) - 4).rotate_right(12).wrapping_add(f);
    let h = mix(c, h).wrapping_add(a);
    let a = a.rotate_right(3).wrapping_add(c);
    let h = mix(e, h).wrapping_add(a);
    let a = a.wrapping_add(f).rotate_right(12).wrapping_add(d);
    finish(mix(b, h).wrapping_add(a))
}

fn longer(bytes: &[u8]) -> u32 {
    let size = bytes.len();
    let from_end = |offset: usize| scramble(word(bytes, size - offset));
    let mut h = step(step(length(bytes) ^ from_end(4)) ^ from_end(16));
    let mut g = length(bytes).wrapping_mul(C1);
    let mut f = g.wrapping_add(from_end(20)).rotate_right(19).wrapping_add(113);
    g = step(step(g ^ from_end(8)) ^ from_end(12));
    let mut rest = bytes;
    while rest.len() > 20 {
        let (a, b, c, d, e) = (
            word(rest, 0),
            word(rest, 4),
            word(rest, 8),
            word(rest, 12),
            word(rest, 16),
        );
        h = mix(d, h.wrapping_add(a)).wrapping_add(e);
        g = mix(c, g.wrapping_add(b)).wrapping_add(a);
        f = mix(b.wrapping_add(e.wrapping_mul(C1)), f.wrapping_add(c)).wrapping_add(d);
        f = f.wrapping_add(g);
        g = g.wrapping_add(f);
        rest = &rest[20..];
    }
    let twice = |value: u32| {
        let once = value.rotate_right(11).wrapping_mul(C1);
        once.rotate_right(17).wrapping_mul(C1)
    };
    let fold = |h: u32, value: u32| {
        let mixed = step(h.wrapping_add(value));
        mixed.rotate_right(17).wrapping_mul(C1)
    };
    fold(fold(h, twice(g)), twice(f))
}

fn scramble(value: u32) -> u32 {
    value.wrapping_mul(C1).rotate_right(17).wrapping_mul(C2)
}

fn step(value: u32) -> u32 {
    value.rotate_right(19).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

/// Murmur3's way of combining two values.
fn mix(a: u32, h: u32) -> u32 {
    step(h ^ scramble(a))
}

/// Murmur3's last scramble.
fn finish(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// Four bytes as a number, the lowest first. Callers stay inside the text.
fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    u32::from_le_bytes(four.unwrap_or_default())
}

fn length(bytes: &[u8]) -> u32 {
    bytes.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_go_farm() {
        // Printed by github.com/dgryski/go-farm, which the Go server uses.
        for (text, expected) in [
            ("", 3_696_677_242),
            ("w", 1_260_754_544),
            ("wf", 3_761_055_192),
            ("abcd", 2_562_006_677),
            ("äöü", 1_289_046_574),
            ("order-1", 1_545_644_054),
            ("workflow-123", 1_545_591_485),
            ("a-workflow-id", 51_127_764),
            ("workflow-id-of-24-bytes!", 1_430_039_550),
            ("8f14e45f-ceea-467f-a0e6-3b2a6ae1f1f1", 1_200_624_364),
            ("a workflow id that is longer than twenty-four bytes", 1_516_454_781),
            (
                "this one has sixty-one bytes, so the loop runs three times...",
                39_368_690,
            ),
        ] {
            assert_eq!(fingerprint32(text.as_bytes()), expected, "{text:?}");
        }
    }
}
