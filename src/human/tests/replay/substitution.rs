use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::clock::Timestamp;

/// How far a time may lie from the recorded one: the real schedulers drift, and virtual work takes no time.
const TOLERANCE: Duration = Duration::from_millis(6_500);

/// Recorded ids and tokens, and what ours are: learnt from answers, used in requests.
#[derive(Debug, Default)]
pub(super) struct Substitution {
    ours_of: BTreeMap<String, String>,
    recorded_of: BTreeMap<String, String>,
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// Must be the same.
    Text(&'a str),
    /// 32 hexadecimal digits, a JSON web token, or a value behind a MAC: the same recorded one is always the same one of ours.
    Token(&'a str),
    /// A time to the second or the microsecond, without its zone: must be as long, and near.
    Time(&'a str),
}

impl Substitution {
    /// Notes a pair.
    pub(super) fn learn(&mut self, recorded: &str, ours: &str) {
        self.ours_of.insert(recorded.to_owned(), ours.to_owned());
        self.recorded_of.insert(ours.to_owned(), recorded.to_owned());
    }

    /// Our id or token for a recorded one.
    pub(super) fn ours(&self, recorded: &str) -> Option<&str> {
        self.ours_of.get(recorded).map(String::as_str)
    }

    /// The recorded id or token for one of ours.
    pub(super) fn recorded(&self, ours: &str) -> Option<&str> {
        self.recorded_of.get(ours).map(String::as_str)
    }

    /// A recorded text with our ids and tokens.
    pub(super) fn translate(&self, recorded: &str) -> String {
        pieces(recorded)
            .into_iter()
            .map(|piece| match piece {
                Piece::Token(token) => self.ours(token).unwrap_or(token),
                Piece::Text(text) | Piece::Time(text) => text,
            })
            .collect()
    }

    /// Whether our text is the recorded one, but for ids, times and tokens; new ones are learnt.
    pub(super) fn compare(&mut self, what: &str, recorded: &str, ours: &str) -> Result<(), String> {
        let (recorded_pieces, our_pieces) = (pieces(recorded), pieces(ours));
        let differs = |at: &str| Err(format!("  {what} differs {at}\n{}", around(recorded, ours)));
        for (recorded, ours) in recorded_pieces.iter().zip(&our_pieces) {
            match (*recorded, *ours) {
                (recorded, ours) if recorded == ours => {}
                (Piece::Token(recorded), Piece::Token(ours)) => match (self.ours(recorded), self.recorded(ours)) {
                    (Some(known), _) if known == ours => {}
                    (None, None) if recorded.len() == ours.len() => self.learn(recorded, ours),
                    _ => return differs(&format!("in an id: {ours} for {recorded}")),
                },
                (Piece::Time(recorded), Piece::Time(ours)) if are_near(recorded, ours) => {}
                (Piece::Time(recorded), Piece::Time(ours)) => {
                    return differs(&format!("in a time: {ours} for {recorded}"));
                }
                _ => return differs("in its text"),
            }
        }
        match recorded_pieces.len() == our_pieces.len() {
            true => Ok(()),
            false => differs("in its length"),
        }
    }
}

/// Where two texts part.
fn around(recorded: &str, ours: &str) -> String {
    let blank = |text: &str| -> String {
        let blanked = pieces(text).into_iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Token(_) => "<token>",
            Piece::Time(_) => "<time>",
        });
        blanked.collect()
    };
    let (recorded, ours) = (blank(recorded), blank(ours));
    let same = recorded
        .bytes()
        .zip(ours.bytes())
        .take_while(|(recorded, ours)| recorded == ours)
        .count();
    let show = |text: &str| {
        let part = &text.as_bytes()[same.saturating_sub(80).min(text.len())..(same + 160).min(text.len())];
        String::from_utf8_lossy(part).into_owned()
    };
    format!("    ours: {}\n    real: {}", show(&ours), show(&recorded))
}

fn are_near(recorded: &str, ours: &str) -> bool {
    let parse = |text: &str| -> Timestamp {
        let moment: jiff::civil::DateTime = text.parse().unwrap();
        let moment = moment.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        Timestamp::from_nanoseconds(u64::try_from(moment.as_nanosecond()).unwrap())
    };
    let (recorded_at, our_time) = (parse(recorded), parse(ours));
    let apart = our_time.since(recorded_at).max(recorded_at.since(our_time));
    recorded.len() == ours.len() && apart <= TOLERANCE
}

/// Takes a text apart.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let (mut start, mut place) = (0, 0);
    while place < bytes.len() {
        let begins = place == 0 || !bytes[place - 1].is_ascii_alphanumeric();
        let rest = &bytes[place..];
        let (length, is_time) = match begins && bytes[place].is_ascii_alphanumeric() {
            true => match time_length(rest) {
                0 => (token_length(rest), false),
                length => (length, true),
            },
            false => (0, false),
        };
        if length == 0 {
            place += 1;
            continue;
        }
        if start < place {
            pieces.push(Piece::Text(&text[start..place]));
        }
        let found = &text[place..place + length];
        pieces.push(if is_time {
            Piece::Time(found)
        } else {
            Piece::Token(found)
        });
        place += length;
        start = place;
    }
    if start < bytes.len() {
        pieces.push(Piece::Text(&text[start..]));
    }
    pieces
}

/// The length of a time at the start: `2026-11-22T19:29:10`, or with `.297918`.
fn time_length(bytes: &[u8]) -> usize {
    let fits = |shape: &[u8]| {
        bytes.len() >= shape.len()
            && shape.iter().zip(bytes).all(|(wanted, byte)| match wanted {
                b'd' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    match () {
        () if fits(b"dddd-dd-ddTdd:dd:dd.dddddd") => 26,
        () if fits(b"dddd-dd-ddTdd:dd:dd") => 19,
        () => 0,
    }
}

/// The length of an id or token at the start.
fn token_length(bytes: &[u8]) -> usize {
    let run = |accepts: fn(&u8) -> bool| bytes.iter().take_while(|byte| accepts(byte)).count();
    if run(u8::is_ascii_alphanumeric) == 32 && run(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)) == 32 {
        return 32;
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    if bytes.starts_with(b"eyJ") {
        let length = run(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
        if bytes[..length].iter().filter(|byte| **byte == b'.').count() == 2 {
            return length;
        }
    }
    let length = run(is_base64);
    // Text that long is hostile and the same on both sides.
    let sealed = (80..1_000).contains(&length).then(|| &bytes[..length]).and_then(unseal);
    if sealed.is_some() { length } else { 0 }
}

/// What stands behind the 32 bytes of MAC in a session or a link of an e-mail.
pub(super) fn unseal(token: &[u8]) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(bytes.get(32..)?).ok()
}

#[test]
fn texts_are_the_same_but_for_ids_times_and_tokens() {
    let id = |digit: &str| digit.repeat(32);
    let mut substitution = Substitution::default();
    let recorded = format!(r#"{{"id":"{}","at":"2026-11-22T19:29:10.297918Z"}}"#, id("a"));
    let ours = format!(r#"{{"id":"{}","at":"2026-11-22T19:29:12.000001Z"}}"#, id("b"));
    assert_eq!(substitution.compare("body", &recorded, &ours), Ok(()));
    assert_eq!(
        substitution.translate(&format!("/{}/x", id("a"))),
        format!("/{}/x", id("b"))
    );
    for (recorded, ours) in [
        (id("a"), id("c")),
        (id("c"), id("b")),
        (id("d"), "d".repeat(31)),
        ("2026-11-22T19:29:10".to_owned(), "2026-11-22T19:29:20".to_owned()),
        (
            "2026-11-22T19:29:10".to_owned(),
            "2026-11-22T19:29:10.000001".to_owned(),
        ),
        ("a".to_owned(), "ab".to_owned()),
    ] {
        assert!(
            substitution.compare("body", &recorded, &ours).is_err(),
            "{recorded} {ours}"
        );
    }
}
