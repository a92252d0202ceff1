//! Both fakes over TCP: what the executable `awaithumans-testkit serve` runs, as a library.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! use awaithumans_testkit::serve::{Options, Server, Time};
//!
//! let server = Server::bind(Options { time: Time::Skip, ..Options::on_free_ports() }).await?;
//! println!("{}", server.ready());
//! // `server.run().await` serves until it is dropped.
//! # Ok(()) }
//! ```

mod clock;
mod control;
mod grpc;
mod health;
mod page;
mod reflection;
mod verdicts;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use awaithumans_temporal::{PayloadKey, PayloadKeyError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::human::{self, Profile};
use crate::io::{Delivery, Driver, Grace, Network, router, time_of_day};
use crate::temporal::{HandOut, SearchAttributeType};
use crate::testkit::{NAMESPACE, TEST_ADMIN_TOKEN, TEST_PAYLOAD_KEY};
use crate::world::World;

pub use verdicts::Verdicts;

/// The environment variable of the token that the fake awaithumans takes.
pub const ADMIN_TOKEN_VARIABLE: &str = "AWAITHUMANS_ADMIN_API_TOKEN";

/// How long, in real time, a task may wait for a worker before time jumps all the same.
const GRACE: Duration = Duration::from_secs(3);

/// How a served world's time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Time {
    /// As the wall clock does.
    #[default]
    Real,
    /// As the wall clock does; it jumps to what is due next while a client waits for a result and nothing else moves.
    Skip,
    /// Not at all, unless a client of Temporal's test service or of the control API moves it. It starts at 2026-01-01T00:00:00Z.
    Manual,
}

/// What to serve, and where.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller names what it sets and takes the rest from `default`"
)]
pub struct Options {
    /// The port of Temporal's gRPC API; 0 for any free one.
    pub temporal_port: u16,
    /// The port of awaithumans' HTTP API; 0 for any free one.
    pub awaithumans_port: u16,
    /// The port for people; 0 for any free one.
    pub ui_port: u16,
    /// How time passes.
    pub time: Time,
    /// The seed of every id and token.
    pub seed: u64,
    /// The secret that awaithumans and the receivers of its webhooks share, as base64.
    pub payload_key: String,
    /// The token that awaithumans takes.
    pub admin_token: String,
    /// What the verifier says of answers, for tasks that have one.
    pub verifier: Verdicts,
    /// Search attributes that the namespace `default` has from the start.
    pub search_attributes: Vec<(String, SearchAttributeType)>,
    /// Settings of Temporal's dynamic configuration.
    pub dynamic_config: Vec<(String, serde_json::Value)>,
    /// How long the namespace `default` keeps what has ended; for ever if it isn't said.
    pub retention: Option<Duration>,
}

/// A duration as Go writes it, with days: `90s`, `1h30m`, `3d`.
///
/// # Errors
/// What Go says of a text that is none, or that it is negative.
pub fn duration(text: &str) -> Result<Duration, String> {
    let nanoseconds = crate::temporal::go_duration::parse(text)?;
    u64::try_from(nanoseconds)
        .map(Duration::from_nanos)
        .map_err(|_| "it must not be negative".to_owned())
}

impl Default for Options {
    fn default() -> Self {
        Self {
            temporal_port: 7233,
            awaithumans_port: 3001,
            ui_port: 8233,
            time: Time::default(),
            seed: 0,
            payload_key: STANDARD.encode(TEST_PAYLOAD_KEY),
            admin_token: TEST_ADMIN_TOKEN.to_owned(),
            verifier: Verdicts::default(),
            search_attributes: Vec::new(),
            dynamic_config: Vec::new(),
            retention: None,
        }
    }
}

impl Options {
    /// The defaults, on ports that nobody else uses.
    pub fn on_free_ports() -> Self {
        Self {
            temporal_port: 0,
            awaithumans_port: 0,
            ui_port: 0,
            ..Self::default()
        }
    }
}

/// Where everything is: what the executable writes to stdout, as one line of JSON.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ready {
    /// Temporal's gRPC API: host and port.
    pub temporal: String,
    /// awaithumans' HTTP API: a URL.
    pub awaithumans: String,
    /// The port for people: a URL.
    pub ui: String,
    /// The secret that awaithumans and the receivers of its webhooks share, as base64.
    pub payload_key: String,
    /// The token that awaithumans takes.
    pub admin_token: String,
    /// The seed of every id and token.
    pub seed: u64,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = serde_json::json!({
            "temporal": self.temporal,
            "awaithumans": self.awaithumans,
            "ui": self.ui,
            "payload_key": self.payload_key,
            "admin_token": self.admin_token,
            "seed": self.seed,
        });
        line.fmt(f)
    }
}

/// Both fakes, on ports of their own.
#[derive(Debug)]
pub struct Server {
    driver: Driver,
    outgoing: mpsc::UnboundedReceiver<Delivery>,
    temporal: TcpListener,
    awaithumans: TcpListener,
    ui: TcpListener,
    time: Time,
    ready: Ready,
}

impl Server {
    /// Takes the ports and makes the world. Clients may connect from now on; they are answered by [`Self::run`].
    ///
    /// # Errors
    /// If a port can't be taken, the payload key isn't one, or a setting can't be set.
    pub async fn bind(options: Options) -> io::Result<Self> {
        let key = PayloadKey::from_base64(&options.payload_key).map_err(invalid_key)?;
        let temporal = listen("Temporal", options.temporal_port).await?;
        let awaithumans = listen("awaithumans", options.awaithumans_port).await?;
        let ui = listen("ui", options.ui_port).await?;
        let ready = Ready {
            temporal: temporal.local_addr()?.to_string(),
            awaithumans: format!("http://{}", awaithumans.local_addr()?),
            ui: format!("http://{}", ui.local_addr()?),
            payload_key: options.payload_key,
            admin_token: options.admin_token,
            seed: options.seed,
        };
        let mut world = world(&ready, &key, options.time);
        options.verifier.instruct(world.human_mut().0.verifier());
        for (name, kind) in &options.search_attributes {
            if !world.add_search_attribute(NAMESPACE, name, *kind) {
                let why = format!("there is no room for search attribute {name} of type {kind}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
        }
        for (name, value) in &options.dynamic_config {
            let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
            world.set_dynamic_config(name, value).map_err(invalid)?;
        }
        if let Some(retention) = options.retention {
            world.set_retention(retention);
        }
        let (driver, outgoing) = Driver::new(world, Grace(GRACE));
        if options.time != Time::Manual {
            driver.follow_wall_clock();
        }
        Ok(Self {
            driver,
            outgoing,
            temporal,
            awaithumans,
            ui,
            time: options.time,
            ready,
        })
    }

    /// Where everything is.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Serves, until it is dropped.
    ///
    /// # Errors
    /// If a listening socket breaks.
    pub async fn run(self) -> io::Result<()> {
        let human = axum::serve(self.awaithumans, router(self.driver.clone()));
        let control = control::Control::new(self.driver.clone(), self.time);
        let page = axum::serve(self.ui, page::router(&self.ready, control.clone()));
        tokio::select! {
            () = grpc::serve(self.temporal, self.driver.clone()) => Ok(()),
            ended = human.into_future() => ended,
            ended = page.into_future() => ended,
            () = Network::default().run(self.driver.clone(), self.outgoing) => Ok(()),
            () = control.end_holds() => Ok(()),
            () = keep_time(self.driver.clone(), self.time) => Ok(()),
        }
    }
}

/// Moves time for as long as the server runs.
async fn keep_time(driver: Driver, time: Time) {
    clock::run(driver, time).await;
    std::future::pending().await
}

fn world(ready: &Ready, key: &PayloadKey, time: Time) -> World {
    let signing_key = key.webhook_key();
    let mut config = human::Config::new(Box::new(move |body| signing_key.sign(body).to_string()));
    config.profile = Profile::default();
    config.admin_token.clone_from(&ready.admin_token);
    config.public_url.clone_from(&ready.awaithumans);
    if time != Time::Manual {
        config.started_at = time_of_day();
    }
    World::new(ready.seed, HandOut::Parallel, config)
}

async fn listen(what: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("the {what} port {port} can't be taken: {error}")))
}

fn invalid_key(error: PayloadKeyError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
