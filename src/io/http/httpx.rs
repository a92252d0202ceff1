//! Webhooks that leave the process, as httpx sends them, and what httpx says when they don't arrive.

use std::error::Error;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::human::DeliveryOutcome;

/// How long, in real time, a receiver on the network may take. The real server gives it ten seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The client that awaithumans sends webhooks with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Httpx {
    client: Arc<OnceLock<reqwest::Client>>,
}

impl Httpx {
    pub(super) async fn send(&self, request: Request<Bytes>) -> DeliveryOutcome {
        match tokio::time::timeout(TIMEOUT, self.exchange(request)).await {
            Ok(Ok(status)) => DeliveryOutcome::Answered(status),
            Ok(Err(error)) => DeliveryOutcome::Failed(in_words_of_httpx(&error)),
            Err(_) => DeliveryOutcome::Failed("ReadTimeout: ".to_owned()),
        }
    }

    /// The status counts once the body is there as well.
    async fn exchange(&self, request: Request<Bytes>) -> reqwest::Result<u16> {
        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let made = client()?;
                self.client.get_or_init(|| made)
            }
        };
        let response = client.execute(request.try_into()?).await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        Ok(status)
    }
}

/// One connection per webhook, no redirects, and names of headers as httpx writes them: `X-Awaithumans-Task-Id`.
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        .http1_title_case_headers()
        .build()
}

/// Type and text of the exception that httpx 0.28 raises: deliveries keep them.
///
/// What a receiver wrote instead of HTTP, which httpx quotes, hyper doesn't give; nor does rustls word what it refuses as OpenSSL.
fn in_words_of_httpx(error: &reqwest::Error) -> String {
    let causes = || std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    if error.is_connect() {
        let unknown = causes().any(|cause| cause.to_string() == "dns error");
        return match unknown {
            true => "ConnectError: [Errno -2] Name or service not known".to_owned(),
            false => "ConnectError: All connection attempts failed".to_owned(),
        };
    }
    let of_hyper = causes().find_map(|cause| cause.downcast_ref::<hyper::Error>());
    let reset = causes()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::ConnectionReset);
    match of_hyper {
        _ if reset => "ReadError: ".to_owned(),
        Some(hyper) if hyper.is_incomplete_message() => {
            "RemoteProtocolError: Server disconnected without sending a response.".to_owned()
        }
        Some(hyper) if hyper.is_parse() => format!("RemoteProtocolError: {hyper}"),
        _ => format!("ReadError: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::human::callback_request;

    /// What arrives at a receiver that answers `answer` and closes, and what the server keeps of it.
    async fn exchange(answer: &str) -> (String, DeliveryOutcome) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let url = format!("http://127.0.0.1:{port}/callback?wf=order-1");
        let Ok(request) = callback_request(&url, Bytes::from_static(b"{}"), "sha256=00", Some("ab12")) else {
            panic!("{url} is an address");
        };
        let httpx = Httpx::default();
        let receive = async {
            let (mut stream, _) = listener.accept().await.expect("it comes");
            let mut received = Vec::new();
            while !received.ends_with(b"\r\n\r\n{}") {
                assert_ne!(stream.read_buf(&mut received).await.expect("it sends"), 0);
            }
            stream.write_all(answer.as_bytes()).await.expect("it listens");
            String::from_utf8(received)
                .expect("it is text")
                .replace(&port.to_string(), "PORT")
        };
        let (received, outcome) = tokio::join!(receive, httpx.send(request));
        (received, outcome)
    }

    #[tokio::test]
    async fn headers_go_out_in_the_case_and_order_of_httpx() {
        let (received, outcome) =
            exchange("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(outcome, DeliveryOutcome::Answered(302));
        let expected = "POST /callback?wf=order-1 HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAccept: */*\r\n\
            Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nUser-Agent: python-httpx/0.28.1\r\n\
            Content-Type: application/json\r\nX-Awaithumans-Signature: sha256=00\r\nX-Awaithumans-Task-Id: ab12\r\n\
            Content-Length: 2\r\n\r\n{}";
        assert_eq!(received, expected);
    }

    #[tokio::test]
    async fn failures_are_kept_in_the_words_of_httpx() {
        let (_, outcome) = exchange("").await;
        let closed = "RemoteProtocolError: Server disconnected without sending a response.";
        assert_eq!(outcome, DeliveryOutcome::Failed(closed.to_owned()));

        let free = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}/callback", free.local_addr().expect("it is bound"));
        drop(free);
        for (url, expected) in [
            (url.as_str(), "ConnectError: All connection attempts failed"),
            (
                "http://nowhere.invalid/callback",
                "ConnectError: [Errno -2] Name or service not known",
            ),
        ] {
            let Ok(request) = callback_request(url, Bytes::new(), "sha256=00", None) else {
                panic!("{url} is an address");
            };
            let outcome = Httpx::default().send(request).await;
            assert_eq!(outcome, DeliveryOutcome::Failed(expected.to_owned()));
        }
    }
}
