use super::*;

const SECRET: &str = "golden-embed-secret-0123456789abcdef";

/// When the recording was made, in seconds.
const RECORDED_AT: u64 = 1_795_375_801;

fn good() -> Object {
    let now = i64::try_from(RECORDED_AT).unwrap();
    Object::new()
        .with("iss", ISSUER)
        .with("aud", AUDIENCE)
        .with("iat", now)
        .with("exp", now + 300)
        .with("task_id", "t1")
        .with("sub", "x")
        .with("kind", KIND)
        .with("parent_origin", "http://localhost:3000")
        .with("jti", "j")
}

fn token(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = Key::new(SECRET.as_bytes()).sign(signed.as_bytes());
    format!("{signed}.{signature}")
}

fn verify_at(seconds: u64, token: &str) -> Result<String, String> {
    verify(SECRET, Timestamp::from_seconds(seconds), token)
}

fn with(name: &str, value: &str) -> Result<String, String> {
    let claims = good().with(name, Json::parse(value.as_bytes()).unwrap());
    verify_at(RECORDED_AT, &token(HEADER, &Json::from(claims).to_compact()))
}

/// A token of the recordings, minted by a real server.
const RECORDED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhd2FpdGh1bWFucyIsImF1ZCI6ImVtYmVkIiwiaWF0IjoxNzk1Mzc1\
ODAxLCJleHAiOjE3OTUzNzYxMDEsInRhc2tfaWQiOiJmOGI3NzE4NDAxOWE0NjRkOWI4NzBmZjZhMDI1MDQ0NyIsInN1YiI6ImFjbWU6dXNlcl8xIiwia2luZCI6Im\
VuZF91c2VyIiwicGFyZW50X29yaWdpbiI6Imh0dHA6Ly9sb2NhbGhvc3Q6MzAwMCIsImp0aSI6IjAwMWEyMDRiY2E0ZDUzOGVkMWIyNTY1NzhiODgzIn0.US9m5wtX0\
O4cxNMT9d1CLBrsH759do0G-Dg-PvS1yK0";

#[test]
fn a_real_servers_token_opens_its_task_until_a_minute_after_its_end() {
    let task = Ok("f8b77184019a464d9b870ff6a0250447".to_owned());
    assert_eq!(verify_at(RECORDED_AT, RECORDED), task);
    assert_eq!(verify_at(RECORDED_AT + 359, RECORDED), task);
    assert_eq!(
        verify_at(RECORDED_AT + 360, RECORDED),
        Err("token has expired".to_owned())
    );
    assert_eq!(verify_at(RECORDED_AT - 60, RECORDED), task);
    let early = "token verification failed: The token is not yet valid (iat)";
    assert_eq!(verify_at(RECORDED_AT - 61, RECORDED), Err(early.to_owned()));
    let now = Timestamp::from_seconds(RECORDED_AT);
    let foreign = verify("another secret", now, RECORDED).unwrap_err();
    assert_eq!(foreign, "token verification failed: Signature verification failed");
}

#[test]
fn a_minted_token_has_the_real_servers_form() {
    let wish = |age_seconds| Wish {
        task_id: "f8b77184019a464d9b870ff6a0250447".to_owned(),
        sub: Some("acme:user_1".to_owned()),
        parent_origin: "http://localhost:3000".to_owned(),
        age_seconds,
    };
    let now = Timestamp::from_nanoseconds(RECORDED_AT * 1_000_000_000 + 500_000_000);
    let mint = |wish: &Wish| mint(SECRET, now, &mut Entropy::new(1), wish);
    let (ours, expires_at) = mint(&wish(None));
    assert_eq!(expires_at, i64::try_from(RECORDED_AT).unwrap() + 300);
    let payload =
        |token: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    let (recorded, jti) = (
        "001a204bca4d538ed1b256578b883",
        Json::parse(payload(&ours).as_bytes()).unwrap(),
    );
    let jti = jti.get("jti").unwrap().as_str().unwrap();
    assert_eq!(payload(&ours).replace(jti, recorded), payload(RECORDED));
    assert_eq!((jti.len(), &jti[..9]), (recorded.len(), &recorded[..9]));
    for (asked, given) in [
        (0, 300),
        (1, 60),
        (59, 60),
        (60, 60),
        (3600, 3600),
        (3601, 3600),
        (i64::MAX, 3600),
    ] {
        assert_eq!(
            mint(&wish(Some(asked))).1 - i64::try_from(RECORDED_AT).unwrap(),
            given,
            "{asked}"
        );
    }
    let nameless = mint(&Wish {
        sub: None,
        ..wish(None)
    });
    let refusal = verify(SECRET, now, &nameless.0).unwrap_err();
    assert_eq!(refusal, "token verification failed: Subject must be a string");
}

/// Each right-hand side was measured on a real server.
#[test]
fn claims_are_refused_in_pyjwts_words() {
    let failed = |reason: &str| Err(format!("token verification failed: {reason}"));
    let plain = |reason: &str| Err(reason.to_owned());
    for (name, value, expected) in [
        ("aud", r#"["embed","y"]"#, Ok("t1".to_owned())),
        ("aud", r#""x""#, plain("invalid audience")),
        ("aud", "5", plain("invalid audience")),
        ("aud", r#"["embed",5]"#, plain("invalid audience")),
        ("aud", "null", failed("Token is missing the \"aud\" claim")),
        ("iss", r#""x""#, plain("invalid issuer")),
        ("iss", "5", plain("invalid issuer")),
        (
            "exp",
            r#""x""#,
            failed("Expiration Time claim (exp) must be an integer."),
        ),
        ("exp", r#""1795376101""#, Ok("t1".to_owned())),
        (
            "exp",
            "Infinity",
            failed("Expiration Time claim (exp) must be an integer."),
        ),
        ("exp", "1795375741", plain("token has expired")),
        ("exp", "1795375742", Ok("t1".to_owned())),
        ("iat", r#""x""#, failed("Issued At claim (iat) must be an integer.")),
        ("nbf", "1795375900", failed("The token is not yet valid (nbf)")),
        ("nbf", r#""x""#, failed("Not Before claim (nbf) must be an integer.")),
        ("jti", "5", failed("JWT ID must be a string")),
        ("sub", "5", failed("Subject must be a string")),
        ("kind", r#""operator""#, plain("unsupported kind: operator")),
        ("kind", "5", plain("unsupported kind: 5")),
        ("kind", "null", plain("missing required claim: kind")),
        ("task_id", r#""""#, plain("missing required claim: task_id")),
        ("task_id", "5", Ok("5".to_owned())),
    ] {
        assert_eq!(with(name, value), expected, "{name} {value}");
    }
}

/// Each right-hand side was measured on a real server.
#[test]
fn forms_are_refused_in_pyjwts_words() {
    let payload = Json::from(good()).to_compact();
    let headed = |header: &str| token(header, &payload);
    let whole = headed(HEADER);
    let (signed, signature) = whole.rsplit_once('.').unwrap();
    let header = signed.split_once('.').unwrap().0;
    for (token, expected) in [
        ("a.b.c".to_owned(), "Invalid header padding"),
        (
            "..".to_owned(),
            "Invalid header string: Expecting value: line 1 column 1 (char 0)",
        ),
        (format!("{header}.a.{signature}"), "Invalid payload padding"),
        (format!("{signed}.a"), "Invalid crypto padding"),
        (format!("{signed}.!!!!"), "Invalid crypto padding"),
        (format!("{signed}."), "Signature verification failed"),
        (
            headed("nope"),
            "Invalid header string: Expecting value: line 1 column 1 (char 0)",
        ),
        (headed("[]"), "Invalid header string: must be a json object"),
        (token(HEADER, "[]"), "Invalid payload string: must be a json object"),
        (
            headed(r#"{"alg":"HS256","kid":5}"#),
            "Key ID header parameter must be a string",
        ),
        (
            headed(r#"{"alg":"HS256","crit":["x"]}"#),
            "Unsupported critical extension: x",
        ),
        (
            headed(r#"{"alg":"HS256","crit":[]}"#),
            "Invalid 'crit' header: must be a non-empty list",
        ),
        (
            headed(r#"{"alg":"HS256","b64":false}"#),
            "Payload segment must be empty when 'b64' is false.",
        ),
    ] {
        assert_eq!(
            verify_at(RECORDED_AT, &token),
            Err(format!("token verification failed: {expected}")),
            "{token}"
        );
    }
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"RS256"}"#, r#"{"typ":"JWT"}"#] {
        assert_eq!(
            verify_at(RECORDED_AT, &headed(header)),
            Err("invalid algorithm".to_owned()),
            "{header}"
        );
    }
    assert_eq!(
        verify_at(RECORDED_AT, &format!("{whole}=")),
        Ok("t1".to_owned()),
        "padding is let through"
    );
    let broken = object(b"\xff{", "header").map_err(|refusal| match refusal {
        Refusal::Other(reason) => reason,
        Refusal::Named(reason) => reason.to_owned(),
    });
    let expected = "Invalid header string: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte";
    assert_eq!(broken.map(drop), Err(expected.to_owned()));
}
