//! Who may ask, and in which form.

use awaithumans_testkit::serve::Time;

use super::exchange;
use crate::serve::served;

#[tokio::test]
async fn only_this_machine_may_ask() {
    let ready = served(Time::Manual).await;
    let cases = [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n", 403, "FOREIGN_HOST"),
        (
            "GET /_testkit/v1/clock HTTP/1.1\r\nHost: evil.example:8233\r\n",
            403,
            "FOREIGN_HOST",
        ),
        ("GET /nothing HTTP/1.1\r\nHost: evil.example\r\n", 403, "FOREIGN_HOST"),
        ("GET /_testkit/v1/clock HTTP/1.0\r\n", 403, "FOREIGN_HOST"),
        (
            "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n",
            403,
            "FOREIGN_ORIGIN",
        ),
        (
            "GET /_testkit/v1/clock HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n",
            403,
            "FOREIGN_ORIGIN",
        ),
        (
            "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n",
            415,
            "WRONG_CONTENT_TYPE",
        ),
        (
            "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n",
            415,
            "WRONG_CONTENT_TYPE",
        ),
        (
            "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n",
            413,
            "BODY_TOO_LARGE",
        ),
    ];
    for (request, status, code) in cases {
        let (found, problem) = exchange(&ready.ui, &format!("{request}Connection: close\r\n\r\n{{}}")).await;
        assert_eq!(found, status, "{request}: {problem}");
        assert!(
            problem.starts_with(&format!("{{\"error\":\"{code}\"")),
            "{request}: {problem}"
        );
    }
    let own = "GET /_testkit/v1/clock HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://localhost:3000\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(&ready.ui, own).await.0, 200);

    // Without a length the end is only found by reading.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(17);
    let endless = format!(
        "POST /_testkit/v1/humans HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}0\r\n\r\n"
    );
    let (status, problem) = exchange(&ready.ui, &endless).await;
    assert_eq!(status, 413);
    assert!(problem.contains("BODY_TOO_LARGE"), "{problem}");
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_and_harm_nobody() {
    let ready = served(Time::Manual).await;
    for garbage in [
        "garbage\r\n\r\n",
        "GET /_testkit/v1/clock HTTP/9.9\r\n\r\n",
        "GET /_testkit/v1/clock HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        assert_eq!(exchange(&ready.ui, garbage).await.0, 400, "{garbage:?}");
        let page = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert_eq!(exchange(&ready.ui, page).await.0, 200);
    }
}
