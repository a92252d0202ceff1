//! Where the next page of a list begins: after the last execution of the one before, wherever that is by then.

use serde_json::Value as Json;

use super::civil::Moment;

/// The close time of what is open still, for the order of lists: the year 9999 is over.
const NEVER: &str = "9999-12-31T23:59:59Z";

/// A place in a list: newest close first, open ones before, then newest start, then run id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Microseconds since 1970.
    pub(super) closed_at: i64,
    /// Microseconds since 1970.
    pub(super) started_at: i64,
    pub(super) run_id: String,
}

/// The close time of an execution that is open, in microseconds.
pub(super) fn never() -> i64 {
    Moment::parse(NEVER).map_or(i64::MAX, Moment::microseconds)
}

impl Page {
    /// As Temporal writes it, for whoever looks.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let moment = |microseconds: i64| Moment(i128::from(microseconds) * 1_000).written();
        let token = format!(
            "{{\"CloseTime\":{},\"StartTime\":{},\"RunID\":{}}}",
            Json::from(moment(self.closed_at)),
            Json::from(moment(self.started_at)),
            Json::from(self.run_id.as_str())
        );
        token.into_bytes()
    }

    /// From bytes that may be anything; none are no place. The error is a text like those of Go's JSON decoder.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, String> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let json: Json = serde_json::from_slice(bytes).map_err(|_| complaint(bytes))?;
        let what = match &json {
            Json::Object(fields) => {
                let moment = |name: &str| match fields.get(name) {
                    Some(Json::String(text)) => Moment::parse(text).map(Moment::microseconds).ok_or_else(|| {
                        format!(
                            "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
                        )
                    }),
                    Some(Json::Null) | None => Ok(0),
                    Some(_) => Err("Time.UnmarshalJSON: input is not a JSON string".to_owned()),
                };
                return Ok(Some(Self {
                    closed_at: moment("CloseTime")?,
                    started_at: moment("StartTime")?,
                    run_id: fields
                        .get("RunID")
                        .and_then(Json::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                }));
            }
            Json::Null => return Ok(None),
            Json::Array(_) => "array",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Bool(_) => "bool",
        };
        Err(format!(
            "json: cannot unmarshal {what} into Go value of type sqlplugin.VisibilityPageToken"
        ))
    }
}

fn complaint(bytes: &[u8]) -> String {
    // Go's decoder goes by bytes.
    match bytes
        .iter()
        .copied()
        .map(char::from)
        .find(|first| !first.is_ascii_whitespace())
    {
        Some(first) if !matches!(first, '{' | '[' | '"' | 't' | 'f' | 'n' | '-' | '0'..='9') => {
            format!("invalid character {first:?} looking for beginning of value")
        }
        _ => "unexpected end of JSON input".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_as_they_went_and_hostile_ones_are_refused() {
        let page = Page {
            closed_at: never(),
            started_at: 1_500_000,
            run_id: "a\"b".to_owned(),
        };
        assert_eq!(Page::decode(&page.encode()), Ok(Some(page)));
        assert_eq!(Page::decode(b""), Ok(None));
        for (bytes, complaint) in [
            (&b"xyz"[..], "invalid character 'x' looking for beginning of value"),
            (b"{", "unexpected end of JSON input"),
            (
                b"[1]",
                "json: cannot unmarshal array into Go value of type sqlplugin.VisibilityPageToken",
            ),
        ] {
            assert_eq!(Page::decode(bytes), Err(complaint.to_owned()));
        }
        assert!(Page::decode(b"{\"CloseTime\":\"x\"}").is_err());
        assert!(Page::decode(b"{\"StartTime\":7}").is_err());
        assert_eq!(
            Page::decode(b"\xff\xfe"),
            Err("invalid character 'ÿ' looking for beginning of value".to_owned())
        );
    }
}
