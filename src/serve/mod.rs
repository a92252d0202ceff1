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

mod accept;
mod clock;
mod control;
mod grpc;
mod health;
mod http1;
mod page;
mod reflection;
mod state;
mod verdicts;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use awaithumans_temporal::PAYLOAD_KEY_VARIABLE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::human::{self, Snapshot, Timing};
use crate::io::{Delivery, Driver, Grace, Network, time_of_day};
use crate::temporal::{HandOut, SearchAttributeType};
use crate::testkit::{NAMESPACE, TEST_ADMIN_TOKEN, TEST_PAYLOAD_KEY};
use crate::world::World;

use state::StateFile;

pub use verdicts::Verdicts;

/// The environment variable of the token that the fake awaithumans takes.
pub const ADMIN_TOKEN_VARIABLE: &str = "AWAITHUMANS_ADMIN_API_TOKEN";

/// The environment variable of the address that links in notifications lead to.
const PUBLIC_URL_VARIABLE: &str = "AWAITHUMANS_PUBLIC_URL";

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
    /// awaithumans' own environment variables, such as `AWAITHUMANS_SERVICE_API_KEY`; the last one of a name counts. Payload key,
    /// admin token and public URL have values for tests unless they are named here.
    pub variables: Vec<(String, String)>,
    /// What the verifier says of answers, for tasks that have one.
    pub verifier: Verdicts,
    /// Search attributes that the namespace `default` has from the start.
    pub search_attributes: Vec<(String, SearchAttributeType)>,
    /// The file that keeps awaithumans' state from one start to the next. It is read at the start if it is there, and written when that
    /// state has changed and at the end.
    pub state: Option<PathBuf>,
    /// Settings of Temporal's dynamic configuration.
    pub dynamic_config: Vec<(String, serde_json::Value)>,
    /// How long the namespace `default` keeps what has ended; for ever if it isn't said.
    pub retention: Option<Duration>,
    /// Whether awaithumans does what is due at the next of its ticks, as the real one, or at once.
    pub timing: Timing,
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
            variables: Vec::new(),
            verifier: Verdicts::default(),
            search_attributes: Vec::new(),
            state: None,
            dynamic_config: Vec::new(),
            retention: None,
            timing: Timing::default(),
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
    /// Where a real server's first operator would be set up, with the token that does it; `None` if there are users, as after a start
    /// with a state that has some.
    pub setup_url: Option<String>,
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
            "setup_url": self.setup_url,
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
    state: Option<Arc<StateFile>>,
    ready: Ready,
}

impl Server {
    /// Takes the ports and makes the world. Clients may connect from now on; they are answered by [`Self::run`].
    ///
    /// # Errors
    /// If a port can't be taken, a real awaithumans wouldn't start with its variables, a setting can't be set, or the state can't be read or
    /// written. A file that can't be read is left as it is.
    pub async fn bind(options: Options) -> io::Result<Self> {
        let temporal = listen("Temporal", options.temporal_port).await?;
        let awaithumans = listen("awaithumans", options.awaithumans_port).await?;
        let ui = listen("ui", options.ui_port).await?;
        let url = format!("http://{}", awaithumans.local_addr()?);
        let variables = with_defaults(&url, options.variables);
        let mut config = human::Config::from_variables(variables.iter().map(|(name, value)| (name, value)))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        config.timing = options.timing;
        if options.time != Time::Manual {
            config.started_at = time_of_day();
        }
        let (admin_token, public_url) = (config.admin_token.clone(), config.public_url.clone());
        let (state, snapshot) = options.state.as_deref().map(StateFile::open).transpose()?.unzip();
        let mut world = world(options.seed, config, snapshot.flatten())?;
        let setup_token = world.human().setup_token();
        let ready = Ready {
            temporal: temporal.local_addr()?.to_string(),
            awaithumans: url,
            ui: format!("http://{}", ui.local_addr()?),
            payload_key: last_of(&variables, PAYLOAD_KEY_VARIABLE),
            admin_token,
            setup_url: setup_token.map(|token| format!("{}/setup?token={token}", public_url.trim_end_matches('/'))),
            seed: options.seed,
        };
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
            // Read anew: making the world took a moment, and clients' clocks mustn't be ahead of it.
            driver.follow_wall_clock(time_of_day());
        }
        if let Some(state) = &state {
            // Now, so that a place that can't be written is found before anything is lost.
            state.save(&driver)?;
        }
        Ok(Self {
            driver,
            outgoing,
            temporal,
            awaithumans,
            ui,
            time: options.time,
            state: state.map(Arc::new),
            ready,
        })
    }

    /// Where everything is.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    pub(crate) fn driver(&self) -> Driver {
        self.driver.clone()
    }

    /// Serves, until it is dropped.
    ///
    /// # Errors
    /// If a listening socket breaks.
    pub async fn run(self) -> io::Result<()> {
        let _saves_at_the_end = self
            .state
            .clone()
            .map(|state| state.save_at_the_end(self.driver.clone()));
        let control = control::Control::new(self.driver.clone(), self.time);
        let page = axum::serve(self.ui, page::router(&self.ready, control.clone()));
        tokio::select! {
            () = grpc::serve(self.temporal, self.driver.clone()) => Ok(()),
            () = http1::serve(self.awaithumans, self.driver.clone(), http1::KEEP_ALIVE) => Ok(()),
            ended = page.into_future() => ended,
            () = Network::default().run(self.driver.clone(), self.outgoing) => Ok(()),
            () = control.end_holds() => Ok(()),
            () = state::keep(self.driver.clone(), self.state) => Ok(()),
            () = keep_time(self.driver.clone(), self.time) => Ok(()),
        }
    }
}

/// Moves time for as long as the server runs.
async fn keep_time(driver: Driver, time: Time) {
    clock::run(driver, time).await;
    std::future::pending().await
}

fn world(seed: u64, mut config: human::Config, snapshot: Option<Snapshot>) -> io::Result<World> {
    let Some(snapshot) = snapshot else {
        return Ok(World::new(seed, HandOut::Parallel, config));
    };
    // Time goes on: a server whose time was moved may be ahead of the wall clock.
    config.started_at = config.started_at.max(snapshot.taken_at());
    let mut world = World::new(seed, HandOut::Parallel, config);
    let (human, now, journal) = world.human_mut();
    human.restore(now, journal, snapshot).map_err(io::Error::other)?;
    Ok(world)
}

/// The variables of a server that was told nothing, and those that it was told.
fn with_defaults(url: &str, told: Vec<(String, String)>) -> Vec<(String, String)> {
    let defaults = [
        (PAYLOAD_KEY_VARIABLE, STANDARD.encode(TEST_PAYLOAD_KEY)),
        (ADMIN_TOKEN_VARIABLE, TEST_ADMIN_TOKEN.to_owned()),
        (PUBLIC_URL_VARIABLE, url.to_owned()),
    ];
    let defaults = defaults.into_iter().map(|(name, value)| (name.to_owned(), value));
    defaults.chain(told).collect()
}

/// The value that counts, however its name is spelled.
fn last_of(variables: &[(String, String)], name: &str) -> String {
    let found = variables
        .iter()
        .rev()
        .find(|(present, _)| present.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

async fn listen(what: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("the {what} port {port} can't be taken: {error}")))
}
