//! Redactions for insta that check a value's shape before they hide it. Feature `insta`.
//!
//! A seeded run repeats byte for byte, so its snapshots hardly need these. They are for snapshots that hold under any
//! seed, and for values of a real server. `null` stays `null`: there is nothing to hide. A value of another shape fails the
//! test, with its path and what was expected.
//!
//! ```
//! use awaithumans_testkit::{Canned, redact};
//!
//! let body: serde_json::Value = serde_json::from_slice(&Canned::timed_out("order-1").body()).unwrap();
//! redact::settings().bind(|| {
//!     insta::assert_json_snapshot!(body, @r#"
//!     {
//!       "completed_at": null,
//!       "completed_by_email": null,
//!       "completed_via_channel": null,
//!       "idempotency_key": "order-1",
//!       "response": null,
//!       "status": "timed_out",
//!       "task_id": "[task id]",
//!       "timed_out_at": "[timestamp]",
//!       "verification_attempt": 0
//!     }
//!     "#);
//! });
//! ```
//!
//! One by one: `insta::assert_json_snapshot!(task, {".id" => insta::dynamic_redaction(redact::hex_id)})`.

use awaithumans_temporal::wire::webhook::Moment;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use insta::Settings;
use insta::internals::{Content, ContentPath};

/// A copy of insta's current settings with the redactions of webhook bodies and of histories.
///
/// - In a webhook body, or a list of them: `task_id`, `completed_at`, `timed_out_at`.
/// - In a history made by [`history_json`](crate::history_json): the events' times, `taskId`, run ids and request ids, and
///   inside decoded payloads what [`known_shapes`] hides.
pub fn settings() -> Settings {
    let mut settings = Settings::clone_current();
    for place in ["", "[]"] {
        settings.add_dynamic_redaction(&format!("{place}.task_id"), hex_id);
        settings.add_dynamic_redaction(&format!("{place}.completed_at"), naive_timestamp);
        settings.add_dynamic_redaction(&format!("{place}.timed_out_at"), naive_timestamp);
    }
    settings.add_dynamic_redaction(".events[].eventTime", timestamp);
    settings.add_dynamic_redaction(".events[].taskId", number);
    // One level of wildcard reaches the attributes but never a payload, whose fields are the user's.
    settings.add_dynamic_redaction(".events[].*.requestId", request_id);
    for run_id_field in [
        "originalExecutionRunId",
        "firstExecutionRunId",
        "continuedExecutionRunId",
        "newExecutionRunId",
        "workflowExecution.runId",
        "parentWorkflowExecution.runId",
        "rootWorkflowExecution.runId",
    ] {
        settings.add_dynamic_redaction(&format!(".events[].*.{run_id_field}"), run_id);
    }
    settings.add_dynamic_redaction(".events[].*.taskQueue.name", task_queue);
    settings.add_dynamic_redaction(r#".**["json/plain"]"#, known_shapes);
    settings
}

/// A task queue's name: of a sticky queue, `{identity}-{32 hexadecimal digits}`, the digits become `[uuid]`; any other name
/// stays.
pub fn task_queue(value: Content, _: ContentPath<'_>) -> Content {
    let sticky = value.as_str().and_then(|name| {
        let (identity, tail) = name.rsplit_once('-')?;
        let is_random = tail.len() == 32 && tail.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_random.then(|| format!("{identity}-[uuid]"))
    });
    sticky.map_or(value, Content::from)
}

/// A random UUID (version 4), such as a request id: `[uuid]`.
///
/// # Panics
/// If the value is anything else.
pub fn uuid_v4(value: Content, path: ContentPath<'_>) -> Content {
    hide(value, &path, "[uuid]", "a UUID of version 4", |text| {
        uuid_version(text) == Some(b'4')
    })
}

/// The id of a run: `[run id]`. Temporal's server makes UUIDs of version 7, the testkit of version 4.
///
/// # Panics
/// If the value is anything else.
pub fn run_id(value: Content, path: ContentPath<'_>) -> Content {
    hide(value, &path, "[run id]", "a UUID of version 4 or 7", |text| {
        matches!(uuid_version(text), Some(b'4' | b'7'))
    })
}

/// The id of a request: `[uuid]`.
///
/// Two kinds have a form of their own. The constant `request-from-…`, which Temporal writes for tasks that were started
/// inline, stays. Of the id that the adapter's `dispatch_signal` gives to its signals, only the task's id is hidden:
/// `awaithumans:[task id]:completed`.
///
/// # Panics
/// If the value is anything else.
pub fn request_id(value: Content, path: ContentPath<'_>) -> Content {
    let Some(text) = value.as_str() else {
        return uuid_v4(value, path);
    };
    if text.starts_with("request-from-") {
        return value;
    }
    match text.strip_prefix("awaithumans:").and_then(|rest| rest.split_once(':')) {
        Some((task_id, status)) if is_hex_id(task_id) => format!("awaithumans:[task id]:{status}").into(),
        _ => uuid_v4(value, path),
    }
}

/// The id of a task or a delivery, a random UUID as 32 hexadecimal digits: `[task id]`.
///
/// # Panics
/// If the value is anything else.
pub fn hex_id(value: Content, path: ContentPath<'_>) -> Content {
    hide(
        value,
        &path,
        "[task id]",
        "32 hexadecimal digits of a UUID of version 4",
        is_hex_id,
    )
}

/// A moment with a zone, RFC 3339 in UTC, as Temporal and awaithumans' REST answers have it: `[timestamp]`.
///
/// # Panics
/// If the value is anything else.
pub fn timestamp(value: Content, path: ContentPath<'_>) -> Content {
    hide(
        value,
        &path,
        "[timestamp]",
        "an RFC 3339 timestamp that ends in Z",
        is_timestamp,
    )
}

/// A moment without a zone, as webhook bodies have it: `[timestamp]`.
///
/// # Panics
/// If the value is anything else.
pub fn naive_timestamp(value: Content, path: ContentPath<'_>) -> Content {
    let expected = "a timestamp without a zone, such as 2026-01-01T00:00:00.500000";
    hide(value, &path, "[timestamp]", expected, is_naive_timestamp)
}

/// A token of 16 random bytes or more in base64, standard or url-safe, padded or not: `[token]`.
///
/// # Panics
/// If the value is anything else.
pub fn base64_token(value: Content, path: ContentPath<'_>) -> Content {
    hide(value, &path, "[token]", "16 bytes or more in base64", |text| {
        let spellings = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
        let decoded = spellings.iter().find_map(|spelling| spelling.decode(text).ok());
        decoded.is_some_and(|bytes| bytes.len() >= 16)
    })
}

/// The value of the header `X-Awaithumans-Signature`: `[signature]`.
///
/// # Panics
/// If the value is anything else.
pub fn signature(value: Content, path: ContentPath<'_>) -> Content {
    let expected = "sha256= and 64 lower-case hexadecimal digits";
    hide(value, &path, "[signature]", expected, is_signature)
}

/// A whole number, or the text of one, as proto-JSON has 64-bit integers: `[number]`.
///
/// # Panics
/// If the value is anything else.
pub fn number(value: Content, path: ContentPath<'_>) -> Content {
    match value.as_i64().is_some() || value.as_u64().is_some() {
        true => "[number]".into(),
        false => hide(value, &path, "[number]", "a whole number", |text| {
            text.parse::<i64>().is_ok()
        }),
    }
}

/// Looks through data of unknown form, such as a payload: hides the strings, at any depth, that are task ids, UUIDs,
/// timestamps or signatures, and leaves all else as it is. Never panics.
pub fn known_shapes(mut value: Content, _: ContentPath<'_>) -> Content {
    hide_known_shapes(&mut value);
    value
}

fn hide_known_shapes(value: &mut Content) {
    match value.resolve_inner_mut() {
        Content::String(text) => {
            if let Some(label) = known_label(text) {
                label.clone_into(text);
            }
        }
        Content::Seq(elements) => elements.iter_mut().for_each(hide_known_shapes),
        Content::Map(entries) => entries.iter_mut().for_each(|(_, element)| hide_known_shapes(element)),
        Content::Struct(_, fields) => fields.iter_mut().for_each(|(_, element)| hide_known_shapes(element)),
        _ => {}
    }
}

fn known_label(text: &str) -> Option<&'static str> {
    if is_hex_id(text) {
        Some("[task id]")
    } else if uuid_version(text).is_some() {
        Some("[uuid]")
    } else if is_timestamp(text) || is_naive_timestamp(text) {
        Some("[timestamp]")
    } else if is_signature(text) {
        Some("[signature]")
    } else {
        None
    }
}

#[track_caller]
fn hide(
    value: Content,
    path: &ContentPath<'_>,
    label: &str,
    expected: &str,
    fits: impl FnOnce(&str) -> bool,
) -> Content {
    if value.is_nil() {
        return value;
    }
    match value.as_str() {
        Some(text) if fits(text) => label.into(),
        Some(text) => panic!("the redaction of `{path}` expects {expected}, but the value is {text:?}"),
        None => panic!("the redaction of `{path}` expects {expected}, but the value is no string: {value:?}"),
    }
}

/// The version's digit, if the text is a UUID of the usual variant in its usual form.
fn uuid_version(text: &str) -> Option<u8> {
    let bytes = text.as_bytes();
    let dashes = [8, 13, 18, 23];
    let well_formed = bytes.len() == 36
        && bytes
            .iter()
            .enumerate()
            .all(|(place, byte)| match dashes.contains(&place) {
                true => *byte == b'-',
                false => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
    (well_formed && matches!(bytes[19], b'8' | b'9' | b'a' | b'b')).then(|| bytes[14])
}

fn is_hex_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 32 && is_lower_hex(text) && bytes[12] == b'4' && matches!(bytes[16], b'8' | b'9' | b'a' | b'b')
}

fn is_signature(text: &str) -> bool {
    text.strip_prefix("sha256=")
        .is_some_and(|digits| digits.len() == 64 && is_lower_hex(digits))
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_timestamp(text: &str) -> bool {
    text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T') && text.parse::<jiff::Timestamp>().is_ok()
}

fn is_naive_timestamp(text: &str) -> bool {
    text.ends_with(|last: char| last.is_ascii_digit()) && !text.contains('+') && text.parse::<Moment>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Redaction = fn(Content, ContentPath<'_>) -> Content;

    /// What becomes of one value, or the text of the panic. insta alone can make a path.
    fn redacted(redaction: Redaction, value: impl serde::Serialize) -> Result<String, String> {
        let hidden = std::sync::Arc::new(std::sync::Mutex::new(None));
        let seen = hidden.clone();
        let mut settings = Settings::clone_current();
        settings.add_dynamic_redaction(".value", move |content: Content, path: ContentPath<'_>| {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| redaction(content, path)));
            *seen.lock().unwrap() = Some(match outcome {
                Ok(Content::String(text)) => Ok(text),
                Ok(other) => Ok(format!("{other:?}")),
                Err(panic) => Err(panic.downcast_ref::<String>().cloned().unwrap_or_default()),
            });
            "done"
        });
        let value = serde_json::json!({ "value": value });
        settings.bind(|| {
            insta::allow_duplicates!(insta::assert_json_snapshot!(value, @r#"
        {
          "value": "done"
        }
        "#))
        });
        let outcome = hidden.lock().unwrap().take();
        outcome.expect("the redaction was called")
    }

    const UUID: &str = "98ed060c-e061-4553-9049-3c49073a1f7e";
    const UUID_7: &str = "01a204d0-e605-7414-abdc-47c68dbd0d97";
    const HEX: &str = "66ec805d7246403fbaac7576182a6d6d";
    const SIGNATURE: &str = "sha256=01291ebf03d6f563c551958298da44c8ef93612d66e05e3197623faaf148ea8a";

    #[test]
    fn what_has_the_shape_is_hidden() {
        let rows: [(Redaction, &str, &str); 14] = [
            (uuid_v4, UUID, "[uuid]"),
            (run_id, UUID, "[run id]"),
            (run_id, UUID_7, "[run id]"),
            (request_id, UUID, "[uuid]"),
            (
                request_id,
                "request-from-RespondWorkflowTaskCompleted",
                "request-from-RespondWorkflowTaskCompleted",
            ),
            (
                request_id,
                "awaithumans:66ec805d7246403fbaac7576182a6d6d:timed_out",
                "awaithumans:[task id]:timed_out",
            ),
            (hex_id, HEX, "[task id]"),
            (timestamp, "2026-01-01T00:00:00.5Z", "[timestamp]"),
            (naive_timestamp, "2026-01-01T00:00:00.500000", "[timestamp]"),
            (base64_token, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "[token]"),
            (base64_token, "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "[token]"),
            (base64_token, "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "[token]"),
            (signature, SIGNATURE, "[signature]"),
            (number, "1048957", "[number]"),
        ];
        for (redaction, value, label) in rows {
            assert_eq!(redacted(redaction, value).as_deref(), Ok(label), "{value}");
        }
        assert_eq!(redacted(number, 7).as_deref(), Ok("[number]"));
        assert_eq!(redacted(hex_id, ()).as_deref(), Ok("Unit"));
    }

    #[test]
    fn another_shape_panics() {
        let rows: [(Redaction, &[&str]); 9] = [
            (
                uuid_v4,
                &[
                    "",
                    HEX,
                    UUID_7,
                    "98ED060C-E061-4553-9049-3C49073A1F7E",
                    "98ed060c-e061-4553-c049-3c49073a1f7e",
                ],
            ),
            (run_id, &["", "98ed060c-e061-1553-9049-3c49073a1f7e"]),
            (request_id, &["", "request", HEX, "awaithumans:order-1:completed"]),
            (
                hex_id,
                &[
                    "",
                    UUID,
                    "66ec805d7246103fbaac7576182a6d6d",
                    "66EC805D7246403FBAAC7576182A6D6D",
                ],
            ),
            (
                timestamp,
                &[
                    "",
                    "2026-01-01T00:00:00",
                    "2026-01-01T00:00:00+00:00",
                    "2026-13-01T00:00:00Z",
                    "2026-01-01 00:00:00Z",
                ],
            ),
            (
                naive_timestamp,
                &[
                    "",
                    "2026-01-01T00:00:00Z",
                    "2026-01-01T00:00:00+00:00",
                    "2026-02-30T00:00:00",
                ],
            ),
            (
                base64_token,
                &[
                    "",
                    "AAAA",
                    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==",
                    "not base64 at all, but long",
                ],
            ),
            (signature, &["", &SIGNATURE[7..], &SIGNATURE[..70], "sha1=00"]),
            (number, &["", "7.0", "seven"]),
        ];
        for (redaction, values) in rows {
            for value in values {
                let panic = redacted(redaction, value).unwrap_err();
                let start = "the redaction of `.value` expects ";
                assert!(
                    panic.starts_with(start) && panic.ends_with(&format!("but the value is {value:?}")),
                    "{panic}"
                );
            }
            assert!(
                redacted(redaction, [1])
                    .unwrap_err()
                    .contains("but the value is no string")
            );
        }
    }

    #[test]
    fn payloads_are_hidden_by_what_they_look_like() {
        let history = serde_json::json!({"events": [{
            "eventTime": "2026-01-01T00:00:00Z",
            "taskId": "7",
            "attributes": {
                "requestId": UUID,
                "workflowExecution": {"workflowId": "order-1", "runId": UUID},
                "input": {"payloads": [{"json/plain": {
                    "task_id": HEX, "requestId": "r-1", "taskId": 7, "at": ["2026-01-01T00:00:00", SIGNATURE, "order-1"],
                }}]},
            },
        }]});
        settings().bind(|| {
            insta::assert_json_snapshot!(history, @r#"
            {
              "events": [
                {
                  "attributes": {
                    "input": {
                      "payloads": [
                        {
                          "json/plain": {
                            "at": [
                              "[timestamp]",
                              "[signature]",
                              "order-1"
                            ],
                            "requestId": "r-1",
                            "taskId": 7,
                            "task_id": "[task id]"
                          }
                        }
                      ]
                    },
                    "requestId": "[uuid]",
                    "workflowExecution": {
                      "runId": "[run id]",
                      "workflowId": "order-1"
                    }
                  },
                  "eventTime": "[timestamp]",
                  "taskId": "[number]"
                }
              ]
            }
            "#);
        });
    }
}
