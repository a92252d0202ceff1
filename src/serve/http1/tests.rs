use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::accept::spawn;
use super::parser::{Event, MAX_HEAD_BYTES, Malformed, Parser};
use crate::human::Config;
use crate::io::{Driver, Grace};
use crate::temporal::HandOut;
use crate::world::World;

/// What a connection's bytes are, in a form that can be compared: heads, bodies, ends, and the refusal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    requests: Vec<(String, Vec<u8>, bool)>,
    refused: bool,
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut parser = Parser::default();
    let mut read = Read::default();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match parser.next(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => take(&mut read, event),
                Err(Malformed(_)) => {
                    read.refused = true;
                    return read;
                }
            }
        }
        assert!(input.is_empty(), "all is taken");
    }
    read
}

fn take(read: &mut Read, event: Event) {
    if let Event::Head(head) = event {
        let text = format!("{} {} {:?} {}", head.method, head.uri, head.headers, head.keeps_alive);
        return read.requests.push((text, Vec::new(), false));
    }
    let (head, body, is_complete) = read.requests.last_mut().expect("a head comes first");
    match event {
        Event::Head(_) => {}
        Event::Body(piece) => body.extend_from_slice(&piece),
        Event::Trailers(trailers) => head.push_str(&format!(" {trailers:?}")),
        Event::End => *is_complete = true,
    }
}

fn whole(bytes: &[u8]) -> Read {
    read([bytes])
}

#[test]
fn a_head_without_an_end_is_refused_at_its_limit() {
    for endless in [&b"GET /"[..], b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nName: "] {
        let kept = MAX_HEAD_BYTES - "/Name".len();
        let bytes = |more: usize| [endless, &vec![b'a'; more]].concat();
        assert!(!whole(&bytes(kept)).refused);
        assert!(whole(&bytes(MAX_HEAD_BYTES + 1)).refused);
    }
    // However large they are, bodies aren't held to it.
    let chunk = [&b"10000\r\n"[..], &vec![b'a'; 0x10000], b"\r\n"].concat().repeat(80);
    let bytes = [
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        &chunk[..],
        b"0\r\n\r\n",
    ]
    .concat();
    let found = whole(&bytes);
    assert_eq!(found.requests[0].1.len(), 80 * 0x10000);
    assert!(found.requests[0].2);
}

#[test]
fn too_many_headers_are_refused() {
    use std::fmt::Write as _;
    let mut text = "GET / HTTP/1.1\r\n".to_owned();
    for number in 0..40_000 {
        write!(text, "n{number}: v\r\n").unwrap();
    }
    assert!(whole(format!("{text}\r\n").as_bytes()).refused);
}

fn http() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /a?b#c HTTP/1.1\r\n", "CONNECT a:1 HTTP/1.0\r\n", "GET http://h:1/ HTTP/1.1\r\n", "\r\n", "\r", "\n",
            "Content-Length: 5\r\n", "content-length:5 \r\n", "Transfer-Encoding: gzip, chunked\r\n", "Connection: close, upgrade\r\n",
            "Upgrade: x\r\n", "Name: value\r\n", "Name:\r\n", "hello", "5\r\nhello\r\n", "5;a=\"b\\\"c\"\r\nhello\r\n", "0\r\n", "0;a\r\nName: v\r\n",
            " ", "\t", ":", ",", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET", "/", "HTTP/1.1",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn bytes_mean_the_same_in_whichever_pieces_they_come(bytes in http(), size in 1..9_usize) {
        let found = whole(&bytes);
        // What comes at once with an upgrade is passed over, and what comes later isn't.
        prop_assume!(!bytes.windows(7).any(|seven| seven.eq_ignore_ascii_case(b"upgrade") || seven == b"CONNECT"));
        prop_assert_eq!(read(bytes.chunks(size)), found);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        whole(&bytes);
    }
}

/// A server of which nothing but a face is wanted, and its address.
async fn face(keep_alive: Duration) -> SocketAddr {
    let config = Config::new(Box::new(|_| "sha256=00".to_owned()));
    let world = World::new(0, HandOut::Parallel, config);
    let (driver, _) = Driver::new(world, Grace(Duration::from_secs(3)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(super::serve(listener, driver, keep_alive));
    address
}

async fn said_to_the_end(stream: &mut TcpStream) -> String {
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn who_was_answered_and_sends_nothing_more_is_left_and_who_has_sent_nothing_yet_is_not() {
    let address = face(Duration::from_millis(1)).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut answered = TcpStream::connect(address).await.unwrap();
    answered
        .write_all(b"GET /api/version HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let said = said_to_the_end(&mut answered).await;
    assert!(
        said.starts_with("HTTP/1.1 200 OK") && !said.contains("connection: close"),
        "{said}"
    );

    let last = b"GET /api/version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    silent.write_all(last).await.unwrap();
    assert!(said_to_the_end(&mut silent).await.starts_with("HTTP/1.1 200 OK"));
}
