//! One lock around the world. It is never held across an `.await`.
//!
//! - `calls.rs`: calls and requests on their way; `network.rs`: what a world needs that is served over a network

mod calls;
#[cfg(feature = "serve")]
mod network;

#[cfg(feature = "serve")]
pub(crate) use network::Step;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
#[cfg(unix)]
use std::sync::TryLockError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use super::wall::Wall;
use crate::clock::Timestamp;
use crate::human::{AttemptId, DeliveryOutcome};
use crate::journal::{Mark, Party};
use crate::scenario::invariant::Invariants;
use crate::temporal::{CallbackId, CallbackOutcome, Reject, Ticket};
use crate::world::{Input, Output, World};
use calls::{Waiting, take_waiting};

/// The answer to a gRPC call.
pub(crate) type RpcAnswer = Result<Vec<u8>, Reject>;

/// How long, in real time, somebody may take who doesn't depend on the world: an activity that blocks on something
/// else, a client that computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grace(pub(crate) Duration);

/// After so many graces in a row in which nothing has changed, nothing will.
const MAX_GRACES: u32 = 4;

/// What moving time came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// One thing happened.
    Moved,
    /// Nothing is due before the moment that was named.
    NothingDue,
}

/// A webhook of awaithumans or a completion callback of Temporal on its way out.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) from: Sender,
    pub(crate) request: http::Request<Bytes>,
    /// The testkit's own receiver dies between verifying it and signalling the workflow.
    pub(crate) receiver_crashes: bool,
}

/// Whether a connection has been cut, and who waits for that.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    is_cut: AtomicBool,
    on_cut: Notify,
}

impl Cut {
    /// Whether it has been cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    /// Waits until it is cut.
    pub(crate) async fn cut(&self) {
        let cut = self.on_cut.notified();
        tokio::pin!(cut);
        // Registered before the look, so that no cut falls between the two.
        cut.as_mut().enable();
        if !self.is_cut() {
            cut.await;
        }
    }

    /// Cuts it. Gives whether it wasn't before.
    fn set(&self) -> bool {
        let is_new = !self.is_cut.swap(true, Ordering::SeqCst);
        self.on_cut.notify_waiters();
        is_new
    }
}

/// Who wants to know how a delivery went.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sender {
    Human(AttemptId),
    Temporal(CallbackId),
}

/// A handle to the world; clones share it.
#[derive(Clone)]
pub(crate) struct Driver {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
    /// Nobody is at work: who lets the next one begin isn't woken for less, since each wake costs two threads a change of hands.
    idle: Notify,
    /// Something is due before the moment that who keeps the wall clock's time waits for.
    due_sooner: Notify,
    deliveries: mpsc::UnboundedSender<Delivery>,
    grace: Grace,
    /// How long, in real time, to wait for somebody outside before nothing can move any more; milliseconds.
    patience_milliseconds: AtomicU64,
}

struct State {
    world: World,
    /// The clock that the world follows, if it follows one.
    wall: Option<Wall>,
    /// What who keeps that clock's time waits for.
    awaited: Timestamp,
    rpc: HashMap<Ticket, Waiting<RpcAnswer>>,
    http: HashMap<Ticket, Waiting<Option<http::Response<Bytes>>>>,
    /// Calls whose future lives: one that isn't parked has an answer that its client hasn't taken yet.
    in_flight: BTreeSet<Ticket>,
    next_ticket: Ticket,
    next_connection: u64,
    /// Connections that are gone: a call that was just on its way must not reach the world any more.
    cut: BTreeSet<u64>,
    /// Those that their owners still have.
    connections: HashMap<u64, Weak<Cut>>,
    /// Who starts workers again that a fault has killed, if anybody does.
    supervisor: Option<mpsc::UnboundedSender<String>>,
    /// Who waits for something to come about.
    lookers: Vec<Looker>,
    /// How often something has changed.
    changes: u64,
    /// What must hold after every step.
    invariants: Invariants,
    /// Workers that had to be left behind: the run can't be repeated byte for byte.
    unreproducible: Vec<String>,
}

/// Looks at the world, and gives whether it has found what it waits for, or nobody waits any more.
type Looker = Box<dyn FnMut(&World) -> bool + Send>;

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl Driver {
    /// Takes the world over. Webhooks come out of the receiver.
    pub(crate) fn new(world: World, grace: Grace) -> (Self, mpsc::UnboundedReceiver<Delivery>) {
        let (deliveries, outgoing) = mpsc::unbounded_channel();
        let state = State {
            world,
            wall: None,
            awaited: Timestamp::MAX,
            rpc: HashMap::new(),
            http: HashMap::new(),
            in_flight: BTreeSet::new(),
            next_ticket: 0,
            next_connection: 0,
            cut: BTreeSet::new(),
            connections: HashMap::new(),
            supervisor: None,
            lookers: Vec::new(),
            changes: 0,
            invariants: Invariants::default(),
            unreproducible: Vec::new(),
        };
        let shared = Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            idle: Notify::new(),
            due_sooner: Notify::new(),
            deliveries,
            grace,
            patience_milliseconds: AtomicU64::new(u64::try_from(grace.0.as_millis()).unwrap_or(u64::MAX)),
        };
        let driver = Self {
            shared: Arc::new(shared),
        };
        (driver, outgoing)
    }

    /// Looks at the world.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock().world)
    }

    /// Looks at the world, unless somebody is just changing it.
    #[cfg(unix)]
    pub(crate) fn try_read<T>(&self, look: impl FnOnce(&World) -> T) -> Option<T> {
        match self.shared.state.try_lock() {
            Ok(state) => Some(look(&state.world)),
            Err(TryLockError::Poisoned(state)) => Some(look(&state.into_inner().world)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Changes the world, and carries out what follows.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut state = self.enter();
        let given = change(&mut state.world);
        self.carry_out(&mut state);
        given
    }

    /// The same for a worker, unless it has been killed.
    pub(crate) fn write_of(&self, worker: u64, change: impl FnOnce(&mut World)) {
        let mut state = self.enter();
        if !state.cut.contains(&worker) {
            change(&mut state.world);
            self.carry_out(&mut state);
        }
    }

    /// Whether both are handles to the same world.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A name for a new connection, and what tells that it has been cut.
    pub(crate) fn connect(&self) -> (u64, Arc<Cut>) {
        let mut state = self.lock();
        state.next_connection += 1;
        let (id, cut) = (state.next_connection, Arc::default());
        state.connections.retain(|_, cut| cut.strong_count() > 0);
        state.connections.insert(id, Arc::downgrade(&cut));
        (id, cut)
    }

    /// Breaks a connection for good.
    pub(crate) fn disconnect(&self, connection: u64) {
        let mut state = self.enter();
        if state.cut(connection) {
            state.world.handle(Input::Disconnected { connection });
            self.carry_out(&mut state);
        }
    }

    /// From now on the caller starts workers again that a fault has killed: it is told their identities, and calls
    /// [`World::end_worker_start`] for each. Without anybody time doesn't wait for them.
    pub(crate) fn supervise(&self) -> mpsc::UnboundedReceiver<String> {
        let (supervisor, identities) = mpsc::unbounded_channel();
        self.lock().supervisor = Some(supervisor);
        identities
    }

    /// A webhook has been delivered, or couldn't be.
    pub(crate) fn delivered(&self, attempt: AttemptId, outcome: DeliveryOutcome) {
        let mut state = self.enter();
        state.world.handle(Input::Delivered { attempt, outcome });
        state.fire_what_is_due_now();
        self.carry_out(&mut state);
    }

    /// A completion callback has been answered by another server, or couldn't be sent.
    pub(crate) fn called_back(&self, id: CallbackId, outcome: CallbackOutcome) {
        self.write(|world| world.handle(Input::CalledBack { id, outcome }));
    }

    /// Lets the workers do what there is to do, one task at a time, until nothing moves by itself.
    ///
    /// Whoever takes longer than the grace is left behind, and the journal says so.
    ///
    /// # Errors
    /// Who is at work, if somebody still is who can't be left behind, after several graces.
    pub(crate) async fn settle(&self) -> Result<(), Vec<String>> {
        let mut graces = 0;
        loop {
            let idle = self.shared.idle.notified();
            tokio::pin!(idle);
            // Registered before the look, so that no change falls between the two.
            idle.as_mut().enable();
            let busy_since = {
                let state = self.lock();
                state.is_busy().then_some(state.changes)
            };
            let Some(changes) = busy_since else {
                graces = 0;
                if self.write(World::hand_out_next) {
                    continue;
                }
                return Ok(());
            };
            let is_over = tokio::time::timeout(self.shared.grace.0, idle).await.is_err();
            if is_over && self.lock().changes == changes {
                self.leave_behind();
                graces += 1;
                if graces >= MAX_GRACES && self.lock().is_busy() {
                    return Err(self.read(|world| world.at_work().collect()));
                }
            }
        }
    }

    /// Waits until the look at the world gives something. It is asked now and after every change, by whoever has made that.
    ///
    /// It must not hold a driver, which would hold it.
    pub(crate) async fn wait_for<T: Send + 'static>(
        &self,
        mut look: impl FnMut(&World) -> Option<T> + Send + 'static,
    ) -> T {
        let (sender, found) = oneshot::channel();
        let mut sender = Some(sender);
        let mut looker = move |world: &World| {
            if sender.as_ref().is_none_or(oneshot::Sender::is_closed) {
                return true;
            }
            let Some(found) = look(world) else {
                return false;
            };
            // Whoever has gone meanwhile needs nothing.
            let _ = sender.take().map(|sender| sender.send(found));
            true
        };
        {
            let mut state = self.lock();
            if !looker(&state.world) {
                state.lookers.push(Box::new(looker));
            }
        }
        match found.await {
            Ok(found) => found,
            // The world is gone: nothing will ever be found.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until the world changes, or for the grace; `false` if the grace is over.
    pub(crate) async fn changed_within_grace(&self) -> bool {
        let changed = self.shared.changed.notified();
        tokio::time::timeout(self.shared.grace.0, changed).await.is_ok()
    }

    /// Nobody outside this process acts on the world, so that it needs no patience before nothing can move any more.
    #[cfg(feature = "proptest")]
    pub(crate) fn set_patience(&self, patience: Duration) {
        let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.shared.patience_milliseconds.store(milliseconds, Ordering::SeqCst);
    }

    /// Waits until the world changes; `false` if nobody outside does anything for so long that nobody will.
    pub(crate) async fn changed_within_patience(&self) -> bool {
        let changed = self.shared.changed.notified();
        let patience = Duration::from_millis(self.shared.patience_milliseconds.load(Ordering::SeqCst));
        tokio::time::timeout(patience, changed).await.is_ok()
    }

    /// Whether nothing moves by itself.
    pub(crate) fn is_quiet(&self) -> bool {
        self.lock().is_quiet()
    }

    /// Fires the one thing that is due next, if it is due at `until` or before.
    pub(crate) fn fire_next(&self, until: Timestamp) -> Pace {
        match self.write(|world| world.handle_timeout(until)) {
            true => Pace::Moved,
            false => Pace::NothingDue,
        }
    }

    /// What must hold from now on, after every step.
    pub(crate) fn add_invariants(&self, add: impl FnOnce(&mut Invariants)) {
        add(&mut self.lock().invariants);
    }

    /// The first invariant that was broken, and why. From now on the test knows.
    pub(crate) fn broken_invariant(&self) -> Option<String> {
        self.lock().invariants.tell_broken()
    }

    /// An invariant that is checked elsewhere is broken. The test is told of it by whoever has checked.
    pub(crate) fn mark_broken(&self, broken: &str) {
        let mut state = self.lock();
        if state.invariants.note_broken(broken) {
            state.world.mark(Party::Test, Mark::Cause, broken);
        }
    }

    /// As [`Self::broken_invariant`], unless the test knows already.
    pub(crate) fn unreported_invariant(&self) -> Option<String> {
        self.lock().invariants.tell_news()
    }

    /// Workers that had to be left behind.
    pub(crate) fn unreproducible(&self) -> Vec<String> {
        self.lock().unreproducible.clone()
    }

    fn leave_behind(&self) {
        let mut state = self.lock();
        let blocked = state.world.release_blocked();
        let grace = self.shared.grace.0;
        for who in blocked {
            let line = format!(
                "went on without {who}, which took longer than {grace:?} of real time: this run may not repeat exactly"
            );
            state.world.note(Party::Test, line.clone());
            state.unreproducible.push(line);
        }
        // Answers that nobody takes don't hold up the world either.
        let State { world, in_flight, .. } = &mut *state;
        in_flight.retain(|ticket| world.temporal().is_parked(*ticket));
        self.carry_out(&mut state);
    }

    fn carry_out(&self, state: &mut State) {
        self.send_outputs(state);
        self.tell(state);
    }

    /// Tells those who wait for it that the world has changed.
    fn tell(&self, state: &mut State) {
        state.check_invariants();
        state.changes += 1;
        let State { world, lookers, .. } = &mut *state;
        lookers.retain_mut(|look| !look(world));
        self.shared.changed.notify_waiters();
        if !state.is_busy() {
            self.shared.idle.notify_waiters();
        }
        let due = state.next_due().unwrap_or(Timestamp::MAX);
        if due < state.awaited {
            state.awaited = due;
            self.shared.due_sooner.notify_waiters();
        }
    }

    /// Gives whether there was anything to send.
    fn send_outputs(&self, state: &mut State) -> bool {
        let mut any = false;
        while let Some(output) = state.world.poll_output() {
            any = true;
            match output {
                Output::Rpc((ticket, answer)) => {
                    if let Some(sender) = take_waiting(&mut state.rpc, &state.cut, ticket) {
                        // A client that went away meanwhile is no error.
                        let _ = sender.send(answer);
                    }
                }
                Output::Http { ticket, response } => {
                    if let Some(sender) = take_waiting(&mut state.http, &state.cut, ticket) {
                        let _ = sender.send(Some(response));
                    }
                }
                Output::HttpDropped { ticket } => {
                    if let Some(sender) = take_waiting(&mut state.http, &state.cut, ticket) {
                        let _ = sender.send(None);
                    }
                }
                Output::Deliver {
                    attempt,
                    request,
                    receiver_crashes,
                    ..
                } => self.send(Sender::Human(attempt), request, receiver_crashes),
                Output::CallBack { id, request } => self.send(Sender::Temporal(id), request, false),
                Output::Cut { connection } => drop(state.cut(connection)),
                Output::StartWorker { identity } => {
                    let supervisor = state.supervisor.as_ref();
                    let is_told = supervisor.is_some_and(|supervisor| supervisor.send(identity).is_ok());
                    if !is_told {
                        state.world.end_worker_start();
                    }
                }
            }
        }
        any
    }

    fn send(&self, from: Sender, request: http::Request<Bytes>, receiver_crashes: bool) {
        let delivery = Delivery {
            from,
            request,
            receiver_crashes,
        };
        // The sender's end lives as long as the testkit.
        let _ = self.shared.deliveries.send(delivery);
    }

    /// The state for a change: at the wall clock's moment, if the world follows it.
    fn enter(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.catch_up();
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug of ours; others may still look at what is there.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Nothing that comes by this connection reaches the world any more. Gives whether that is new.
    fn cut(&mut self, connection: u64) -> bool {
        let owner = self.connections.get(&connection).and_then(Weak::upgrade);
        self.cut.insert(connection) && owner.is_none_or(|cut| cut.set())
    }

    fn take_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        self.in_flight.insert(self.next_ticket);
        self.next_ticket
    }

    fn check_invariants(&mut self) {
        if self.invariants.is_empty() {
            return;
        }
        if let Some(broken) = self.invariants.check(&self.world) {
            self.world.mark(Party::Test, Mark::Cause, broken);
        }
    }

    /// Moves a world that follows the wall clock to its moment; what is due on the way happens in its order.
    fn catch_up(&mut self) {
        let Some(wall) = self.wall else {
            return;
        };
        if self.world.holds().next().is_some() || self.world.is_clock_held() || self.world.now() > wall.now() {
            // A hold stops the wall clock too, and a fault may have let the world's jump: it goes on from here.
            self.wall = Some(Wall::set_to(self.world.now()));
            return;
        }
        let now = wall.now();
        while self.world.handle_timeout(now) {}
        self.world.set_time(now);
    }

    /// Lets a world that follows the wall clock do at once what has become due at this very moment, such as a webhook without ticks:
    /// whoever keeps its time needn't be woken for that.
    fn fire_what_is_due_now(&mut self) {
        if self.wall.is_some() && self.world.holds().next().is_none() {
            let now = self.world.now();
            while self.world.handle_timeout(now) {}
        }
    }

    /// When something is due next by the wall clock; `None` if nothing is, if time is held, or if the world doesn't follow that clock.
    fn next_due(&self) -> Option<Timestamp> {
        let follows = self.wall.is_some() && self.world.holds().next().is_none();
        self.world.poll_timeout().filter(|_| follows)
    }

    /// Somebody is at work: in the world, or a client that hasn't taken its answer yet.
    fn is_busy(&self) -> bool {
        let unanswered = |ticket| self.rpc.contains_key(ticket) || self.http.contains_key(ticket);
        self.world.is_busy() || !self.in_flight.iter().all(unanswered)
    }

    /// Nothing moves by itself.
    fn is_quiet(&self) -> bool {
        self.world.is_quiet() && !self.is_busy()
    }
}
