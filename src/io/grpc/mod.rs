//! gRPC without a socket: the SDK's own client, with this world behind it.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use http::HeaderMap;
use temporalio_client::callback_based::{CallbackBasedGrpcService, GrpcRequest, GrpcSuccessResponse};
use tonic::Status;

use super::driver::{Cut, Driver};
use crate::temporal::Reject;

thread_local! {
    /// The connection of the worker whose thread this is.
    static OF_THIS_THREAD: OnceCell<Connection> = const { OnceCell::new() };
}

/// Decides, before a call is carried out, whether the connection breaks first.
pub(crate) type TripWire = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// One client's or one worker's connection, which can be cut.
#[derive(Clone)]
pub(crate) struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    driver: Driver,
    id: u64,
    cut: Arc<Cut>,
    trip_wires: std::sync::Mutex<Vec<TripWire>>,
    tripped: AtomicBool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.inner.id)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A new connection to this world.
    pub(crate) fn new(driver: Driver) -> Self {
        let (id, cut) = driver.connect();
        Self {
            inner: Arc::new(Inner {
                driver,
                id,
                cut,
                trip_wires: std::sync::Mutex::new(Vec::new()),
                tripped: AtomicBool::new(false),
            }),
        }
    }

    /// This thread is a worker's process from now on: what its activities do beside gRPC ends with the connection, too.
    pub(crate) fn takes_this_thread(&self) {
        OF_THIS_THREAD.with(|of| drop(of.set(self.clone())));
    }

    /// The connection of the worker whose thread this is, if it is one of this world.
    pub(crate) fn of_this_thread(driver: &Driver) -> Option<Self> {
        let connection = OF_THIS_THREAD.with(|of| of.get().cloned());
        connection.filter(|connection| connection.inner.driver.is_same(driver))
    }

    /// By which the world knows it.
    pub(crate) fn id(&self) -> u64 {
        self.inner.id
    }

    /// What the SDK's `service_override` takes.
    pub(crate) fn service(&self) -> CallbackBasedGrpcService {
        let connection = self.clone();
        CallbackBasedGrpcService {
            callback: Arc::new(move |request| {
                let connection = connection.clone();
                async move { connection.call(request).await }.boxed()
            }),
        }
    }

    /// Breaks the connection: no call goes in or out any more, and what its worker held is nobody's.
    pub(crate) fn cut(&self) {
        self.inner.driver.disconnect(self.inner.id);
    }

    /// Waits until it is cut, by its owner or by a fault.
    pub(crate) async fn until_cut(&self) {
        self.inner.cut.cut().await;
    }

    /// Whether it has been cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.inner.cut.is_cut()
    }

    /// Whether a wire was laid and no call ever tripped it.
    pub(crate) fn has_idle_wire(&self) -> bool {
        let laid = self.inner.trip_wires.lock().is_ok_and(|wires| !wires.is_empty());
        laid && !self.inner.tripped.load(Ordering::SeqCst)
    }

    /// Cuts the connection before the first call for whose method the wire says so.
    pub(crate) fn cut_before(&self, wire: TripWire) {
        if let Ok(mut wires) = self.inner.trip_wires.lock() {
            wires.push(wire);
        }
    }

    async fn call(&self, request: GrpcRequest) -> Result<GrpcSuccessResponse, Status> {
        let tripped = self
            .inner
            .trip_wires
            .lock()
            .is_ok_and(|wires| wires.iter().any(|wire| wire(&request.rpc)));
        if tripped {
            self.inner.tripped.store(true, Ordering::SeqCst);
            self.cut();
        }
        if self.is_cut() {
            return after_death(&request.rpc).await;
        }
        let answer = self
            .inner
            .driver
            .rpc(self.inner.id, &request.service, &request.rpc, &request.proto);
        tokio::select! {
            biased;
            () = self.inner.cut.cut() => after_death(&request.rpc).await,
            answer = answer => answer.map_err(status).map(|proto| GrpcSuccessResponse {
                headers: HeaderMap::new(),
                proto,
            }),
        }
    }
}

/// What the remains of a killed worker are told, so that they come to their end: the SDK's threads can't be killed, and
/// dropping them in the middle of their work makes them panic. Nothing of it reaches the world.
async fn after_death(rpc: &str) -> Result<GrpcSuccessResponse, Status> {
    match rpc {
        "ShutdownWorker" => Ok(GrpcSuccessResponse {
            headers: HeaderMap::new(),
            proto: Vec::new(),
        }),
        poll if poll.starts_with("Poll") => std::future::pending().await,
        // The SDK gives up on a task that the server doesn't know, and retries most other refusals.
        _ => Err(Status::not_found("this worker has been killed")),
    }
}

/// A refusal as gRPC sends it.
pub(crate) fn status(reject: Reject) -> Status {
    Status::with_details(reject.code(), reject.message(), reject.details().into())
}
