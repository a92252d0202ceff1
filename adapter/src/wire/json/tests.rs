use super::*;
use proptest::prelude::*;

/// What CPython 3.11 makes of documents good and bad; made by fixtures/json/generate.py.
#[test]
fn reads_and_writes_as_python_does() {
    let table = rows(include_str!("../../../fixtures/json/parse.json"));
    assert!(table.len() > 130);
    for row in table {
        let document = bytes_from_hex(row["hex"].as_str().unwrap());
        let shown = String::from_utf8_lossy(&document).chars().take(60).collect::<String>();
        match (Json::parse(&document), row.get("error"), row.get("refused")) {
            (Ok(value), None, None) => {
                assert_eq!(value.to_compact(), row["compact"].as_str().unwrap(), "{shown}");
                assert_eq!(
                    value.to_utf8().ok().as_deref(),
                    row.get("utf8").map(|text| text.as_str().unwrap()),
                    "{shown}"
                );
            }
            (Err(error @ JsonError::Syntax { .. }), Some(expected), None) => {
                assert_eq!(error.to_string(), expected.as_str().unwrap(), "{shown}")
            }
            (Err(JsonError::Encoding { .. }), None, Some(kind)) => {
                assert_eq!(kind, "UnicodeDecodeError", "{shown}")
            }
            (Err(JsonError::IntegerTooLong { digits: 4301 }), None, Some(kind)) => {
                assert_eq!(kind, "ValueError", "{shown}")
            }
            (other, ..) => panic!("{shown}: {other:?} instead of {row}"),
        }
    }
}

#[test]
fn spells_floats_as_python_does() {
    for row in rows(include_str!("../../../fixtures/json/floats.json")) {
        let bits = u64::from_str_radix(row[0].as_str().unwrap(), 16).unwrap();
        assert_eq!(Json::Float(f64::from_bits(bits)).to_compact(), row[1].as_str().unwrap());
    }
}

#[test]
fn spells_floats_as_the_recorded_answers_do() {
    let spelled = |float| Json::Float(float).to_response().unwrap();
    for (float, text) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (1e-5, "0.00001"),
        (0.000_012_34, "0.00001234"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::NAN, "null"),
        (f64::INFINITY, "null"),
    ] {
        assert_eq!(spelled(float), text);
    }
}

#[test]
fn nesting_has_a_limit_for_reading_and_one_for_answers() {
    let nested = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
    assert!(Json::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(Json::parse(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonError::TooDeep));
    assert_eq!(Json::parse("[".repeat(1_000_000).as_bytes()), Err(JsonError::TooDeep));
    let response = |depth| Json::parse(nested(depth).as_bytes()).unwrap().to_response();
    assert!(response(MAX_RESPONSE_DEPTH).is_ok());
    assert_eq!(response(MAX_RESPONSE_DEPTH + 1), Err(WriteError::TooDeep));
}

#[test]
fn a_large_object_with_repeated_keys_is_read_in_reasonable_time() {
    let entries: Vec<_> = (0..60_000).map(|n| format!("\"{}\":{n}", n % 30_000)).collect();
    let object = Json::parse(format!("{{{}}}", entries.join(",")).as_bytes()).unwrap();
    assert_eq!(object.as_object().unwrap().len(), 30_000);
    assert_eq!(object.get("0"), Some(&Json::from(30_000)));
}

#[test]
fn goes_to_serde_json_and_back() {
    let value = Json::parse(br#"{"a":[1,-2,1.5,null,true,"x"],"b":18446744073709551615}"#).unwrap();
    assert_eq!(Json::from(value.to_serde()), value);
    let lossy = Json::parse(br#"[1e400,"\ud800",100000000000000000000]"#)
        .unwrap()
        .to_serde();
    assert_eq!(lossy, serde_json::json!([null, "\u{fffd}", 1e20]));
}

fn any_json() -> impl Strategy<Value = Json> {
    let text = || {
        proptest::collection::vec(prop_oneof![any::<char>().prop_map(u32::from), 0xd800..0xe000_u32], 0..6)
            .prop_filter_map(
                // Escapes would join the halves of a pair, in Python too.
                "a pair",
                |points| {
                    let pair = points
                        .windows(2)
                        .any(|two| (0xd800..0xdc00).contains(&two[0]) && (0xdc00..0xe000).contains(&two[1]));
                    (!pair).then(|| Text::from_code_points(points))
                },
            )
    };
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        "-?[1-9][0-9]{19,60}".prop_map(|digits| Json::Int(Integer::from_digits(&digits))),
        any::<f64>()
            .prop_filter("equal to itself", |float| !float.is_nan())
            .prop_map(Json::Float),
        text().prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Json::Array),
            proptest::collection::vec((text(), inner), 0..8)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_the_same_value(value in any_json()) {
        prop_assert_eq!(Json::parse(value.to_compact().as_bytes()), Ok(value.clone()));
        if let Ok(text) = value.to_utf8() {
            prop_assert_eq!(Json::parse(text.as_bytes()), Ok(value));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Json::parse(&bytes);
    }

    #[test]
    fn no_text_like_json_makes_the_reader_panic(text in r#"[\[\]{}:, "\\u0-9a-fdeE+.\-ntrIN\n]{0,64}"#) {
        if let Ok(value) = Json::parse(text.as_bytes()) {
            prop_assert!(Json::parse(value.to_compact().as_bytes()).is_ok());
        }
    }
}

fn rows(table: &str) -> Vec<serde_json::Value> {
    serde_json::from_str(table).unwrap()
}

fn bytes_from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
