//! The two servers that a body can run on.

use std::collections::BTreeMap;
use std::time::Duration;

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, Timestamp};
use bytes::{Buf, BufMut, Bytes};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

/// The longest wait for an answer, in the arm's own time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A refusal, as every client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// An encoded `google.rpc.Status`; empty if there are no details.
    pub(crate) details: Vec<u8>,
}

/// What came of a call.
pub(crate) type Answer = Result<Vec<u8>, Refusal>;

/// A Temporal server.
pub(crate) trait Arm {
    /// Sends a call; its answer may take its time.
    fn begin(&mut self, service: &'static str, method: &'static str, request: Vec<u8>) -> u64;
    /// Waits for the answer.
    fn finish(&mut self, call: u64) -> Answer;
    /// Waits for the answer, but no longer than this; a call without one is given up.
    fn finish_within(&mut self, call: u64, patience: Duration) -> Option<Answer>;
    /// Lets time pass.
    fn pass(&mut self, time: Duration);
    /// From now on only what is answered counts: a body of thousands of calls would take minutes if all that must hold were looked at after each.
    fn spare_invariants(&mut self) {}
    /// What makes names of this run differ from those of other runs on the same server.
    fn unique(&self) -> String;
}

/// Our engine, on virtual time.
pub(crate) struct Sim {
    engine: Engine,
    now: Timestamp,
    last_call: u64,
    answers: BTreeMap<u64, Answer>,
    /// Whether all that must hold of the engine is looked at after each step.
    holds_invariants: bool,
}

impl Sim {
    /// With settings of Temporal's dynamic configuration: names, and values as JSON.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let mut engine = Engine::new(Entropy::stream(0, 1), HandOut::Parallel);
        for (name, value) in settings {
            let value = serde_json::from_str(value).expect("a setting's value is JSON");
            engine
                .set_dynamic_config(name, &value)
                .expect("there is such a setting");
        }
        Self {
            engine,
            now: Timestamp::EPOCH_OF_TESTS,
            last_call: 0,
            answers: BTreeMap::new(),
            holds_invariants: true,
        }
    }

    fn take_answers(&mut self) {
        if self.holds_invariants {
            assert_eq!(self.engine.violations(), Vec::<String>::new());
        }
        while let Some((call, answer)) = self.engine.poll_output() {
            let answer = answer.map_err(|reject| Refusal {
                code: reject.code(),
                message: reject.message(),
                details: reject.details(),
            });
            self.answers.insert(call, answer);
        }
    }

    /// Fires the next timer, if it is due by then.
    fn fire(&mut self, until: Timestamp) -> bool {
        let Some(due) = self.engine.poll_timeout().filter(|due| *due <= until) else {
            return false;
        };
        self.now = self.now.max(due);
        self.engine.handle_timeout(self.now);
        self.take_answers();
        true
    }
}

impl Arm for Sim {
    fn begin(&mut self, service: &'static str, method: &'static str, request: Vec<u8>) -> u64 {
        self.last_call += 1;
        let call = Call {
            now: self.now,
            ticket: self.last_call,
            connection: 1,
            service,
            method,
        };
        self.engine.handle_rpc(call, &request);
        self.take_answers();
        self.last_call
    }

    fn finish(&mut self, call: u64) -> Answer {
        self.finish_within(call, PATIENCE).unwrap_or_else(|| {
            Err(Refusal {
                code: Code::DeadlineExceeded,
                message: "no answer".to_owned(),
                details: Vec::new(),
            })
        })
    }

    fn finish_within(&mut self, call: u64, patience: Duration) -> Option<Answer> {
        let until = self.now + patience;
        loop {
            if let Some(answer) = self.answers.remove(&call) {
                return Some(answer);
            }
            if !self.fire(until) {
                self.engine.handle_abandoned(self.now, call);
                return None;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.fire(until) {}
        self.now = until;
    }

    fn spare_invariants(&mut self) {
        self.holds_invariants = false;
    }

    fn unique(&self) -> String {
        "sim".to_owned()
    }
}

/// A real server, on real time.
pub(crate) struct Real {
    runtime: tokio::runtime::Runtime,
    channel: tonic::transport::Channel,
    unique: String,
    last_call: u64,
    calls: BTreeMap<u64, tokio::task::JoinHandle<Answer>>,
}

impl Real {
    #[expect(clippy::disallowed_methods, reason = "names must differ on a server that remembers")]
    pub(crate) fn connect(address: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = runtime.block_on(endpoint.connect()).expect("the server is there");
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            runtime,
            channel,
            unique: format!("{:x}", since.expect("it is after 1970").as_nanos()),
            last_call: 0,
            calls: BTreeMap::new(),
        }
    }
}

impl Arm for Real {
    fn begin(&mut self, service: &'static str, method: &'static str, request: Vec<u8>) -> u64 {
        self.last_call += 1;
        let channel = self.channel.clone();
        let call = self.runtime.spawn(async move {
            let mut client = tonic::client::Grpc::new(channel);
            client.ready().await.expect("the server is there");
            let path = format!("/{service}/{method}").parse().expect("a path");
            let mut request = tonic::Request::new(Bytes::from(request));
            // Temporal refuses polls without a deadline.
            request.set_timeout(PATIENCE + Duration::from_secs(10));
            match client.unary(request, path, Raw).await {
                Ok(response) => Ok(response.into_inner().to_vec()),
                Err(status) => Err(Refusal {
                    code: status.code(),
                    message: status.message().to_owned(),
                    details: status.details().to_vec(),
                }),
            }
        });
        self.calls.insert(self.last_call, call);
        self.last_call
    }

    fn finish(&mut self, call: u64) -> Answer {
        self.finish_within(call, PATIENCE * 2).expect("an answer comes in time")
    }

    fn finish_within(&mut self, call: u64, patience: Duration) -> Option<Answer> {
        let mut call = self.calls.remove(&call).expect("each call is finished once");
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(patience, &mut call).await });
        if answer.is_err() {
            call.abort();
        }
        answer.ok().map(|answer| answer.expect("the call doesn't panic"))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the arm on real time")]
    fn pass(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn unique(&self) -> String {
        self.unique.clone()
    }
}

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
