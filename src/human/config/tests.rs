use super::*;

/// The spelling of the recordings: the bytes 0 to 31.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let key = ("AWAITHUMANS_PAYLOAD_KEY", KEY);
    Config::from_variables(std::iter::once(key).chain(variables.iter().copied()))
}

fn refusal(variables: &[(&str, &str)]) -> String {
    with(variables).unwrap_err().to_string()
}

#[test]
fn a_key_alone_gives_the_real_servers_defaults() {
    let config = with(&[("PATH", "/bin")]).unwrap();
    assert_eq!(config.public_url, "http://localhost:3001");
    assert_eq!(
        (config.admin_token.as_str(), config.environment.as_str()),
        ("", "development")
    );
    assert_eq!(
        (config.service_key, config.embed_secret, config.parent_origins),
        (None, None, String::new())
    );
    assert_eq!(config.cors_origins, ["*"]);
    let signature = "sha256=2e16ad1707feb17bb11578ae5b9513c0ad4463a9b272e9d3ffc26ded98c47af8";
    assert_ne!((config.sign)(b"{}"), signature);
}

/// Transcript 19: the body that a real server signed with each spelling of one key.
#[test]
fn every_spelling_of_a_key_signs_as_recorded() {
    let body = br#"{"task_id":"589bb96d4abb4eb3ac8689d19d467287","idempotency_key":"k","status":"completed","response":{"approved":true},"completed_at":"2026-11-22T19:38:30.501580","timed_out_at":null,"completed_by_email":null,"completed_via_channel":null,"verification_attempt":0}"#;
    for key in [
        "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    ] {
        let config = Config::from_variables([("awaithumans_payload_key", key)]).unwrap();
        let signature = "sha256=2e16ad1707feb17bb11578ae5b9513c0ad4463a9b272e9d3ffc26ded98c47af8";
        assert_eq!((config.sign)(body), signature, "{key}");
    }
}

/// Each text is what a real server's log said.
#[test]
fn bad_keys_are_refused_in_the_real_servers_words() {
    let generate = "Generate with: python -c 'import secrets; print(secrets.token_urlsafe(32))'";
    let size = |bytes: usize| format!("AWAITHUMANS_PAYLOAD_KEY must decode to 32 bytes; got {bytes}. {generate}");
    for (key, text) in [
        ("AAECAwQFBgcICQoLDA0ODw==", size(16)),
        ("!!!", size(0)),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", size(31)),
        (
            "A",
            "AWAITHUMANS_PAYLOAD_KEY is not valid base64. Regenerate with: python -c 'import secrets; \
             print(secrets.token_urlsafe(32))'"
                .to_owned(),
        ),
    ] {
        assert_eq!(refusal(&[("AWAITHUMANS_PAYLOAD_KEY", key)]), text, "{key}");
    }
    let missing = refusal(&[("AWAITHUMANS_PAYLOAD_KEY", "")]);
    assert!(
        missing.starts_with("AWAITHUMANS_PAYLOAD_KEY is required — session cookies"),
        "{missing}"
    );
    let none: [(&str, &str); 0] = [];
    assert_eq!(
        Config::from_variables(none).unwrap_err(),
        ConfigError::PayloadKeyMissing
    );
    let slack = Config::from_variables([("AWAITHUMANS_SLACK_CLIENT_ID", "x")]).unwrap_err();
    assert!(
        slack
            .to_string()
            .starts_with("Slack OAuth is enabled (SLACK_CLIENT_ID is set)")
    );
}

#[test]
fn wrong_types_are_refused_all_at_once_and_first() {
    let text = refusal(&[
        ("AWAITHUMANS_PAYLOAD_KEY", ""),
        ("AWAITHUMANS_PORT", "abc"),
        ("AWAITHUMANS_SMTP_USE_TLS", "maybe"),
    ]);
    assert_eq!(
        text,
        "2 validation errors for Settings\nPORT\n  Input should be a valid integer, unable to parse string as an integer \
         [type=int_parsing, input_value='abc', input_type=str]\n    For further information visit \
         https://errors.pydantic.dev/2.14/v/int_parsing\nSMTP_USE_TLS\n  Input should be a valid boolean, unable to interpret \
         input [type=bool_parsing, input_value='maybe', input_type=str]\n    For further information visit \
         https://errors.pydantic.dev/2.14/v/bool_parsing"
    );
    assert!(with(&[("AWAITHUMANS_PORT", "3001"), ("AWAITHUMANS_SMTP_START_TLS", "off")]).is_ok());
}

#[test]
fn the_public_url_is_a_base_url() {
    for good in ["https://x.y", "http://localhost:3001", "https://x.y/", "https://x.y\n"] {
        assert!(with(&[("AWAITHUMANS_PUBLIC_URL", good)]).is_ok(), "{good}");
    }
    for bad in [
        "https://x.y/api",
        "x.y",
        "ftp://x.y",
        "http://x_y",
        "https://",
        "https://x:y",
    ] {
        let error = with(&[("AWAITHUMANS_PUBLIC_URL", bad)]).unwrap_err();
        assert_eq!(error, ConfigError::PublicUrlNotBase { url: bad.to_owned() });
    }
    assert_eq!(
        with(&[("AWAITHUMANS_PUBLIC_URL", "")]).unwrap_err(),
        ConfigError::PublicUrlMissing
    );
}

#[test]
fn cors_origins_are_all_or_safe() {
    for (text, expected) in [
        ("*", vec!["*"]),
        (" * ", vec!["*"]),
        ("", vec![]),
        (
            "https://a.example, http://localhost:3000",
            vec!["https://a.example", "http://localhost:3000"],
        ),
    ] {
        assert_eq!(
            with(&[("AWAITHUMANS_CORS_ORIGINS", text)]).unwrap().cors_origins,
            expected,
            "{text}"
        );
    }
    let refused = |text: &str| with(&[("AWAITHUMANS_CORS_ORIGINS", text)]).unwrap_err();
    assert_eq!(refused("*,https://a"), ConfigError::CorsOriginsMixed);
    for origin in ["http://a", "http://localhost.evil", "https://a/x", "a"] {
        assert_eq!(
            refused(origin),
            ConfigError::CorsOriginUnsafe {
                origin: origin.to_owned()
            }
        );
    }
}
