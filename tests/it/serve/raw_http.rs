//! Requests that are odd or broken get, byte for byte, what the real server was recorded to answer (fixtures/conformance/raw-http).

use std::time::Duration;

use awaithumans_testkit::serve::{Options, Ready, Server, Time};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::spawn;

const RECORDED: &str = include_str!("../../../fixtures/conformance/raw-http/exchanges.jsonl");
const PROBE: &[u8] = b"GET /api/version HTTP/1.1\r\nHost: probe\r\n\r\n";

/// How long an answer may take until the test is given up.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Exchange {
    name: String,
    steps: Vec<Step>,
    got: Vec<String>,
    ends: bool,
    probe: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    send: Option<String>,
    times: Option<usize>,
    #[serde(default)]
    wait: bool,
    #[serde(default)]
    half_close: bool,
}

/// A server with the settings of the one that was recorded.
async fn server() -> Ready {
    let variables = [
        ("AWAITHUMANS_ADMIN_API_TOKEN", "golden-admin-token-0123456789"),
        (
            "AWAITHUMANS_SERVICE_API_KEY",
            "ah_sk_0123456789abcdef0123456789abcdef01234567",
        ),
        (
            "AWAITHUMANS_EMBED_SIGNING_SECRET",
            "golden-embed-secret-0123456789abcdef",
        ),
        (
            "AWAITHUMANS_EMBED_PARENT_ORIGINS",
            "http://localhost:3000,https://acme.example",
        ),
    ];
    let options = Options {
        time: Time::Manual,
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Options::on_free_ports()
    };
    let server = Server::bind(options).await.expect("there are free ports");
    let ready = server.ready().clone();
    spawn(async move { server.run().await.expect("it serves until the test ends") });
    ready
}

struct Client {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Client {
    async fn connect(ready: &Ready) -> Self {
        let address = ready.awaithumans.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            heard: Vec::new(),
        }
    }

    /// Sends; a server that has closed already has said what it had to say.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads until what came is this, or isn't going to be; gives what came.
    async fn hear(&mut self, expected: &str) -> String {
        loop {
            let heard = named(&self.heard);
            let is_longer = heard.len() > expected.len() + 200;
            if heard == expected || is_longer || self.read().await == 0 {
                let heard = named(&self.heard);
                self.heard.clear();
                return heard;
            }
        }
    }

    /// Reads to the end.
    async fn hear_all(&mut self) -> String {
        while self.read().await > 0 {}
        named(&std::mem::take(&mut self.heard))
    }

    async fn read(&mut self) -> usize {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.heard)).await;
        let read = read.unwrap_or_else(|_| panic!("no more than this came: {:?}", named(&self.heard)));
        read.unwrap_or(0)
    }
}

/// A sign for each byte, and what differs from run to run by its name.
fn named(bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let line = |line: &str| -> String {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "date" => format!("{name}: {{date}}"),
            "x-request-id" if value.len() == 16 => format!("{name}: {{request id}}"),
            "set-cookie" => match value
                .split_once("expires=")
                .map(|(before, after)| (before, after.split_once(';')))
            {
                Some((before, Some((_, rest)))) => format!("{name}: {before}expires={{date}};{rest}"),
                _ => line.to_owned(),
            },
            _ => line.to_owned(),
        }
    };
    text.split("\r\n").map(line).collect::<Vec<_>>().join("\r\n")
}

/// Returns when the server has worked off what was sent before: it answers on another connection.
async fn settle(ready: &Ready) {
    let mut other = Client::connect(ready).await;
    other.send(b"GET /api/health HTTP/1.0\r\n\r\n").await;
    assert!(other.hear_all().await.starts_with("HTTP/1.1 200 OK"));
}

/// Plays what was sent; says what differs.
async fn play(ready: &Ready, exchange: &Exchange) -> Result<(), String> {
    let same = |expected: &str, found: String| match found == expected {
        true => Ok(()),
        false => Err(format!(
            "{}:\n  recorded {expected:?}\n  found    {found:?}",
            exchange.name
        )),
    };
    let mut client = Client::connect(ready).await;
    let mut expected = exchange.got.iter();
    for step in &exchange.steps {
        if step.wait {
            let expected = expected.next().unwrap();
            settle(ready).await;
            same(expected, client.hear(expected).await)?;
        } else if step.half_close {
            let _ = client.stream.shutdown().await;
        } else {
            let bytes: Vec<u8> = step.send.as_ref().unwrap().chars().map(|sign| sign as u8).collect();
            client.send(&bytes.repeat(step.times.unwrap_or(1))).await;
        }
    }
    // What comes in the end; and if nothing does, the connection ends or is used once more.
    let expected = expected.next().unwrap();
    same(expected, client.hear(expected).await)?;
    if let Some(probe) = &exchange.probe {
        client.send(PROBE).await;
        same(probe, client.hear(probe).await)?;
        let _ = client.stream.shutdown().await;
    }
    assert!(exchange.ends || exchange.probe.is_some(), "{}", exchange.name);
    same("", client.hear_all().await)
}

#[tokio::test]
async fn odd_and_broken_requests_get_what_the_real_server_answers() {
    let ready = server().await;
    let mut differences = Vec::new();
    let mut count = 0;
    for line in RECORDED.lines() {
        let exchange: Exchange = serde_json::from_str(line).unwrap();
        count += 1;
        differences.extend(play(&ready, &exchange).await.err());
    }
    println!("{} of {count} answered as recorded", count - differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(count >= 250, "{count}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let ready = server().await;
    let limit = 64 * 1024 * 1024;
    for more in [0, 1] {
        let mut client = Client::connect(&ready).await;
        let length = limit + more;
        let head = format!(
            "POST /api/auth/login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        client.send(head.as_bytes()).await;
        client.send(&vec![b' '; length]).await;
        let _ = client.stream.shutdown().await;
        let answer = client.hear_all().await;
        let expected = if more == 0 { "HTTP/1.1 422 " } else { "HTTP/1.1 413 " };
        assert!(answer.starts_with(expected), "{}", &answer[..answer.len().min(300)]);
    }
}

#[test]
fn whatever_is_sent_the_connection_comes_to_an_end_and_others_are_served() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let ready = runtime.block_on(server());
    let piece = prop_oneof![
        prop::sample::select(vec![
            &b"GET /api/health HTTP/1.1\r\n"[..],
            b"POST /api/tasks HTTP/1.1\r\n",
            b"Host: x\r\n",
            b"\r\n",
            b"\r",
            b"\n",
            b"\0",
            b" ",
            b":",
            b"Content-Length: 7\r\n",
            b"Content-Length: 99999999999999999999\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"Expect: 100-continue\r\n",
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
            b"\xff\xfe",
            b"http://[::1",
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    let bytes = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(200)
    };
    TestRunner::new(config)
        .run(&bytes, |bytes| {
            runtime.block_on(async {
                let mut client = Client::connect(&ready).await;
                client.send(&bytes).await;
                let _ = client.stream.shutdown().await;
                let answer = client.hear_all().await;
                prop_assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer}");
                settle(&ready).await;
                Ok(())
            })
        })
        .unwrap();
}
